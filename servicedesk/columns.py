"""Which column of a table is which of our fields: by the user's mapping first, then by its header in Spanish or English."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.errors import InputError
from core.taxonomy import API_PREFIX, PLAIN_KINDS
from core.text import fold

LABEL_FIELDS = ("category", "subcategory", "application", "urgency", "impact", "assignment_group", "resolution_kind")
TEXT_FIELDS = ("subject", "body")
DATE_FIELDS = ("created", "resolved_at")
FIELDS = ("id", *TEXT_FIELDS, *DATE_FIELDS, "mailbox", "language", "resolution", "revision", *LABEL_FIELDS)

_STRONG: Mapping[str, str] = {
    "id": "id|ticket id|id ticket|id de ticket|id del ticket|ticket|ticket number|ticket no|numero|numero de ticket|"
    "no ticket|no de ticket|number|clave|key|issue key|clave de incidencia|numero de caso|case number|caso|folio|request id|"
    "id de solicitud|incident id|incident number|numero de incidencia|id de incidencia|codigo",
    "subject": "asunto|subject|titulo|title|summary|resumen|short description|descripcion corta|"
    "descripcion breve|breve descripcion",
    "body": "descripcion|description|detalle|detalles|detail|details|body|cuerpo|texto|text|mensaje|message|contenido|content|"
    "descripcion del problema|problem description|issue description|long description|descripcion detallada",
    "created": "fecha de creacion|fecha creacion|creado|creado el|creada|created|created at|created on|created date|created time|"
    "creation date|opened|opened at|open date|fecha de apertura|fecha apertura|abierto|fecha de registro",
    "resolved_at": "fecha de resolucion|fecha resolucion|resuelto|resuelta|resuelto el|resolved|resolved at|resolved on|"
    "resolved date|resolved time|resolution date",
    "mailbox": "buzon|buzon de correo|buzon de entrada|buzon compartido|mailbox|shared mailbox|inbox",
    "language": "idioma|language|lang|lengua",
    "resolution": "solucion|solucion aplicada|solution|resolucion|resolution|resolution text|resolution notes|respuesta|response|"
    "answer|closing notes|close notes|notas de cierre|notas de resolucion",
    "revision": "revision|version|rev",
    "category": "categoria|category",
    "subcategory": "subcategoria|sub categoria|subcategory|sub category",
    "application": "aplicacion|application|app|aplicativo|aplicacion afectada|affected application",
    "urgency": "urgencia|urgency",
    "impact": "impacto|impact",
    "assignment_group": "grupo|assignment group|assigned group|grupo resolutor|grupo asignado|grupo de asignacion|group|"
    "resolver group|support group|grupo de soporte",
    "resolution_kind": "tipo de resolucion|tipo resolucion|tipo de solucion|resolution type|resolution kind|kind of resolution",
}
# Taken only where no column has one of the headers above.
_WEAK: Mapping[str, str] = {
    "created": "fecha|date",
    "resolved_at": "closed|closed at|closed on|closed date|closed time|close date|fecha de cierre|fecha cierre|cerrado|"
    "cerrado el|completed time|completed date",
    "resolution_kind": "tipo|type",
}
# A column called only "type" may as well be the type of ticket: its values decide.
_KIND_WORDS = {*PLAIN_KINDS, "cierre", "cerrar", "cerrado", "closed", "reasignacion", "reasignar", "reasignado", "reassigned"} | {
    *("en espera", "espera", "waiting", "on hold", "pending", "pendiente")
}
_KINDS_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each field stands: `fields` (ours and asked for) and `others` (by folded header) map to positions in `headers`.

    `headers` are made unique: the second `Comment` is `Comment (2)`.
    """

    headers: tuple[str, ...]
    fields: Mapping[str, int]
    others: Mapping[str, int]

    @property
    def ignored(self) -> list[str]:
        """The headers that no field is read from."""
        used = set(self.fields.values())
        return [header for position, header in enumerate(self.headers) if header and position not in used]


def header_key(header: str) -> str:
    """What headers are compared by: `"Fecha_de  Creación:"`, `"fecha de creacion"` and `"fechaDeCreacion"` are the same."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", header)
    return fold(re.sub(r"[^\w|]+", " ", fold(spaced)))


def _aliases(words: Mapping[str, str]) -> dict[str, str]:
    return {header_key(alias): name for name, names in words.items() for alias in (name, *names.split("|"))}


_STRONG_ALIASES = _aliases(_STRONG)
_WEAK_ALIASES = {alias: name for name, names in _WEAK.items() for alias in names.split("|")}


def recognised(headers: Iterable[str], mapping: Mapping[str, str]) -> int:
    """How many of these cells name a field, or are in the user's mapping."""
    mapped = {header_key(theirs) for theirs in mapping}
    keys = {header_key(header) for header in headers}
    return sum(key in mapped or key in _STRONG_ALIASES or key in _WEAK_ALIASES for key in keys)


def is_header(headers: Iterable[str], mapping: Mapping[str, str]) -> bool:
    """True where one of these cells names a text field (subject or body) or is in the user's mapping."""
    mapped = {header_key(theirs) for theirs in mapping}
    return any(key in mapped or _STRONG_ALIASES.get(key) in TEXT_FIELDS for key in map(header_key, headers))


def resolve(
    headers: Sequence[str], mapping: Mapping[str, str], asked: Sequence[str], texts: Callable[[int], Iterable[str]]
) -> Columns:
    """Find each field's column.

    Args:
        headers: the header row.
        mapping: their column -> our field (or one of `asked`); it wins over every recognised header.
        asked: other columns that the caller wants, by header; one that is also a field of ours is that field.
        texts: gives the texts of the column at a position, to tell kinds of resolution from types of ticket.

    Raises:
        InputError: no subject and no body, two columns for one field, a mapping that names what is not there.
    """
    finder = _Finder(headers, mapping, asked)
    finder.take_mapped()
    finder.take_recognised(_STRONG_ALIASES, lambda _name, _position: True)
    finder.take_recognised(_WEAK_ALIASES, lambda name, at: name != "resolution_kind" or _looks_like_kinds(texts(at)))
    finder.require_text()
    finder.take_asked()
    return finder.columns()


def _looks_like_kinds(texts: Iterable[str]) -> bool:
    found = [fold(text).replace(" |", "|") for text in texts if text.strip()]
    return sum(t in _KIND_WORDS or t.startswith(API_PREFIX) for t in found) >= max(1.0, _KINDS_SHARE * len(found))


class _Finder:
    """The columns found so far, while a header row is resolved."""

    def __init__(self, headers: Sequence[str], mapping: Mapping[str, str], asked: Sequence[str]) -> None:
        self.headers = [header.strip() for header in headers]
        self.keys = [header_key(header) for header in headers]
        self.mapping = mapping
        self.asked = asked
        self.fields: dict[str, int] = {}

    def take_mapped(self) -> None:
        for theirs, ours in self.mapping.items():
            if ours not in FIELDS and ours not in self.asked:
                raise InputError(f"--map {theirs}={ours}: there is no field {ours!r}.", remedy=f"Use one of {', '.join(FIELDS)}.")
            if ours in self.fields:
                raise InputError(
                    f"--map gives {ours} two columns, {theirs!r} among them.", remedy="Map one column to each field."
                )
            self.fields[ours] = self._position(theirs, f"--map {theirs}={ours}")

    def _position(self, theirs: str, what: str) -> int:
        exact = [at for at, header in enumerate(self.headers) if header == theirs.strip()]
        found = exact or [at for at, key in enumerate(self.keys) if key and key == header_key(theirs)]
        if not found:
            raise InputError(f"{what}: there is no column {theirs!r}.", remedy=f"The columns are: {self._listed()}.")
        if len(found) > 1:
            raise self._duplicate(found)
        return found[0]

    def take_recognised(self, aliases: Mapping[str, str], accept: Callable[[str, int], bool]) -> None:
        taken = set(self.fields.values())
        found: dict[str, list[int]] = {}
        for position, key in enumerate(self.keys):
            name = aliases.get(key)
            if name and name not in self.fields and position not in taken and accept(name, position):
                found.setdefault(name, []).append(position)
        for name, positions in found.items():
            if len(positions) > 1:
                raise self._clash(name, positions)
            self.fields[name] = positions[0]

    def take_asked(self) -> None:
        for name in self.asked:
            if name not in self.fields:
                self.fields[name] = self._position(name, f"The column {name!r} was asked for")

    def require_text(self) -> None:
        if not any(name in self.fields for name in TEXT_FIELDS):
            raise InputError(
                f"No column has the text of the tickets; the columns are: {self._listed()}.",
                remedy="Name it `description` or `subject`, or say which it is with --map their_column=body.",
            )

    def columns(self) -> Columns:
        used = set(self.fields.values())
        others: dict[str, int] = {}
        for position, header in enumerate(self.headers):
            if header and position not in used and fold(header) not in self.fields:
                others.setdefault(fold(header), position)
        return Columns(unique(self.headers), dict(self.fields), others)

    def _clash(self, name: str, positions: Sequence[int]) -> InputError:
        if len({self.keys[at] for at in positions}) == 1:
            return self._duplicate(positions)
        named = " and ".join(repr(self.headers[at]) for at in positions)
        return InputError(
            f"The columns {named} would all be {name}.",
            remedy=f"Say which one it is with --map {self.headers[positions[0]]}={name}.",
        )

    def _duplicate(self, positions: Sequence[int]) -> InputError:
        named = " and ".join(repr(self.headers[at]) for at in positions)
        places = ", ".join(str(at + 1) for at in positions)
        return InputError(f"Columns {places} have the same header: {named}.", remedy="Rename or remove one of them.")

    def _listed(self) -> str:
        shown = [header for header in self.headers if header]
        return ", ".join(shown[:40]) + (" ..." if len(shown) > 40 else "") if shown else "none"


def unique(headers: Iterable[str]) -> tuple[str, ...]:
    """The headers with repeated ones numbered; blank ones stay blank."""
    seen: set[str] = set()
    result = []
    for header in headers:
        name, count = header, 1
        while name and name in seen:
            count += 1
            name = f"{header} ({count})"
        seen.add(name)
        result.append(name)
    return tuple(result)
