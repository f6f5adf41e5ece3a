"""Names of people whom the desk knows, out of a text that is to be kept: each becomes `<name>`.

Nobody can tell every name in a text from every word; but who worked on a ticket stands in its audit trail, and a
resolution is full of them.
"""

import re
from collections.abc import Iterable, Iterator

from core.text import fold
from intake.characters import aligned
from intake.redact import PSEUDONYM

NAME = "<name>"
_SHORTEST = 3
"""Letters of a part of a name that is looked for by itself: "al" and "jo" are words too."""
_PART = re.compile(r"[^\W\d_]{2,}")
_ROLES = """
    de del la las los y e da do dos van von der den of the and el mr mrs ms sr sra don dona dr dra jr ii iii
    admin administrator administrador administracion root system sistema sistemas soporte support helpdesk desk help mesa ayuda
    servicio service servicios services servicedesk bot robot workflow automation automatico automatica agent agente tecnico
    technician operador operator user usuario usuarios users test prueba seed anonymous anonimo nobody api web mail email
    correo no reply noreply team equipo grupo group it ti tic cau nivel level network redes infraestructura infrastructure
    backoffice office oficina empresa company example com net org es tamiz monitor monitoring alert alerts alertas import
    integration integracion sync jira zoho portal
"""
_NOT_PEOPLE = frozenset(_ROLES.split())
_WORDS = """
    mark will grant bill rob rose rosa luz sol paz mar angel blanca clara alba pilar gloria victoria consuelo milagros dolores
    mercedes remedios socorro esperanza concepcion asuncion rocio leon cruz marin campo campos prado ramos rios rio torres torre
    castillo iglesias calle reina rey reyes delgado moreno rubio bueno blanco negro rojo pardo calvo cano gallego manzano olmo
    serrano pastor guerrero caballero marques conde duque molina montes sierra vega valle ventura santos domingo pascual cortes
    long short young white brown black green gray king price bush hill wood woods stone field fields banks bank page case cook
    baker mason carter porter parker driver hunter fisher miller taylor smith art drew chase hope faith grace joy may april june
    august summer dawn eve max guy jack pat sue ray chip dell lane park west north day winter love sharp strong wise best major
    post read root rich root pointer server host mora mesa media alta caja marca clave plaza puente fuente roman franco lima
"""
_ALSO_WORDS = frozenset(_WORDS.split())
"""Parts of names that are words as well: only with a capital letter are they names."""
_RUN = re.compile(rf"{NAME}(?:,? (?:(?:de|del|la|las|los|van|von|der) ){{0,2}}{NAME})+")
_INITIAL = re.compile(rf"\b[^\W\d_]\. ?{NAME}")


def without_names(text: str, names: Iterable[str]) -> str:
    """`text` with every mention of these people as `<name>`, whatever its case and accents; pseudonyms stay as they are.

    `names` as the desk has them: "Ana Pérez", "Pérez, Ana", "ana.perez", "aperez@empresa.example". Their parts are names too,
    but for roles ("Soporte N1") and for words ("mark", "rosa") without a capital letter.
    """
    wanted = sorted({form for name in names for form in _forms(name)}, key=lambda form: (-len(form), form))
    if not wanted:
        return text
    pattern = re.compile(rf"(?<![a-z0-9])(?:{'|'.join(map(_spaced, wanted))})(?![a-z0-9])")
    pieces, at = [], 0
    for kept in PSEUDONYM.finditer(text):
        pieces += [_replaced(text[at : kept.start()], pattern), kept[0]]
        at = kept.end()
    return _INITIAL.sub(NAME, _RUN.sub(NAME, "".join([*pieces, _replaced(text[at:], pattern)])))


def _forms(name: str) -> Iterator[str]:
    """The whole name, turned round, and each of its parts, folded."""
    local = name.split("@")[0] if "@" in name else name
    parts = [part for part in _PART.findall(fold(local)) if part not in _NOT_PEOPLE]
    yield from (part for part in parts if len(part) >= _SHORTEST)
    if len(parts) > 1:
        yield " ".join(parts)
        yield " ".join([*parts[1:], parts[0]])
        yield f"{parts[0][0]}{parts[1]}"  # aperez


def _spaced(form: str) -> str:
    return r"[ ._,-]{1,2}".join(map(re.escape, form.split()))


def _replaced(text: str, pattern: re.Pattern[str]) -> str:
    parts, at = [], 0
    for match in pattern.finditer(aligned(text)):
        found = text[match.start() : match.end()]
        if match[0] in _ALSO_WORDS and not found[0].isupper():
            continue
        parts += [text[at : match.start()], NAME]
        at = match.end()
    return "".join(parts) + text[at:]
