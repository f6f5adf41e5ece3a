"""Quoted mail threads off; a mail that only forwards another keeps that one's text."""

import re
from itertools import takewhile

from intake import signature
from intake.characters import plain

_FIELD = re.compile(
    r"[ >*_|]{0,8}(?P<name>from|de|sent|enviado(?: el)?|date|fecha|to|para|cc|cco|bcc|subject|asunto|reply-to"
    r"|responder a)[ *_]{0,3}:",
    re.I,
)
_FROM = frozenset(("from", "de"))
_TELLING = frozenset(("sent", "enviado", "enviado el", "subject", "asunto"))
_SEPARATOR = re.compile(
    r"[ >*_]{0,8}-{2,20} ?(?:mensaje original|original message|original appointment|mensaje reenviado|forwarded message"
    r"|correo original)"
    r"(?: follows)? ?-{2,20}\W*$|[ >]{0,8}(?:begin forwarded message|inicio del mensaje reenviado)\s*:\s*$"
)
_WROTE = re.compile(
    r"[ >*_]{0,8}(?:(?:on|el|le|em|am)\b.{0,10}\b.{0,300}\d.{0,300}\b(?:wrote|escribio|ha escrito|a ecrit|escreveu|schrieb)\s*:"
    r"|\d{4}-\d\d-\d\d \d{1,2}:\d\d .{3,200}(?:>|wrote|escribio)\s*:"
    r"|.{3,120}(?:wrote|escribio) (?:on|el) .{0,40}\d.{0,60}:)\s*$"
)
_ENDS_ATTRIBUTION = re.compile(r":\s*$")
_PREFIX = re.compile(r"(?: ?>)+ ?")
_ONE_LINE = re.compile(
    r"[ >*_]{0,8}(?:from|de) ?:.{3,120}\b(?:sent|enviado(?: el)?|date|fecha) ?:.{3,80}\b(?:to|para) ?:.{2,200}", re.I
)
_WORD = re.compile(r"[^\W\d_]{2,}|\d{3,}")
_FORWARDS = re.compile(r"\b(?:fyi|fw|fwd|rv|reenv\w+|forward\w*|below|abajo|adelante|traslad\w+|paso|remito|adjunto)\b")
_FILLER_WORDS = """
a al algo alguna alguno algun ahi aqui aca abajo adelante adjunto ante antemano as atencion buenas buenos buen bien con
conocimiento correo correos cualquier cosa cuando de del desde dia dias dime decidme el ella ellos en entre es esta estas
este esto estos eso esa fin gestion gestionar gracias gestionad gestionarlo ha hacer haced hola hasta info informacion la
las le les lo los mail mas me mensaje mi mia mirad mirar mirarlo miradlo mismo muchas nos nosotros noticias novedad
novedades noche noches os otra otro para parte pasa paso pasamos pls plz podeis podemos podria podrian podriais por porfa
porque puede pueden puedes podes que quien reenvio reenviado reenviar reenvia rv revisad revisar revisarlo saludo saludos se
segun si siguiente sigue igual sigo seguimos sobre soporte su sus tal tarde tardes te tema todo todos traslado tramite
tramitar tu un una urge urgente urgentemente uno ver veis ves vez vosotros vuestra vuestro vuestras ya yo mio remito echad
echar echadle vistazo ojo ayuda ayudar ayudarme favor equipo companeros estimados estimado estimada compa informatica
sistemas it about above actions after again all also am an and any anything are asap assist at attached be been before below
best but by can check chain cheers colleague colleagues could dear do email fyi for forward forwarded forwarding forwards
from fw fwd get good great guys handle have hello help hey hi him here how i if in information is its ive just kind kindly
know let look message morning my need next no not of off on one only or our out over please per regards request review same
see seen sent somebody someone still sure support take team thank thanks that the them then there these they this those
thread thx to today trail up update urgent us view we what when who will with would yet you your yours re
"""
_FILLER = frozenset(_FILLER_WORDS.split())
_FILLER_STEMS = re.compile(r"(?:reenv|forward|adjunt|remit|traslad|revis|ayud|gestion|tramit|attach|mirad|mirar|pid[aeio])\w*")
_ENOUGH_WORDS = 2
_TOP_UP_WORDS = 30
_MOST_MESSAGES = 12
_LONGEST_HEADER = 12


def newest(text: str) -> tuple[str, int]:
    """The newest message of a thread that says something, and how many lines of other messages and headers went.

    The sender's own text is kept and what it quotes goes. Where the own text says next to nothing ("FYI", "os lo reenvío"),
    the newest quoted message is kept instead, without its headers; and the one below it too while that is under thirty words.
    """
    lines = text.split("\n")
    if not any(map(_may_quote, lines)):
        return text, 0
    kept = _kept(lines)
    return "\n".join(kept).strip("\n"), len(lines) - len(kept)


def _may_quote(line: str) -> bool:
    return ">" in line[:3] or ":" in line or line[:12].lstrip(" >*_").startswith("--")


def _kept(lines: list[str]) -> list[str]:
    own, rest = _split(lines)
    if _says(own):
        return own
    chosen: list[str] = []
    for _ in range(_MOST_MESSAGES):
        if not rest or _count(chosen) >= _TOP_UP_WORDS:
            break
        body, rest = _split(rest)
        chosen += [*([""] if chosen and _says(body) else []), *(body if _says(body) else [])]
    return chosen or own


def _split(lines: list[str]) -> tuple[list[str], list[str]]:
    """The first message's own lines, and the lines of what it quotes, their headers and ">" taken off."""
    lines = _unwrapped(lines)
    for at in range(len(lines)):
        if not _quotes(lines[at]) and (body := _boundary(lines, at)):
            if not _inline_replies(lines, at, body):
                return _unquoted(lines[:at]), lines[body:]
            lines = lines[:at] + lines[body:]
            break
    own = _unquoted(lines)
    return own, [] if len(own) == len(lines) else [line for line in lines if _quotes(line)]


def _unwrapped(lines: list[str]) -> list[str]:
    """Without one level of ">" where the first line that says anything has one: the whole is a quotation."""
    first = next((line for line in lines if line.strip()), "")
    return [line[_level(line) :] for line in lines] if _quotes(first) else lines


def _level(line: str) -> int:
    match = _PREFIX.match(line)
    return match.end() if match else 0


def _quotes(line: str) -> bool:
    return line.startswith((">", " >"))


def _unquoted(lines: list[str]) -> list[str]:
    kept = [line for line in lines if not _quotes(line)]
    while kept and not kept[-1].strip("-_=* >"):
        kept.pop()
    return kept


def _inline_replies(lines: list[str], at: int, body: int) -> bool:
    """Whether an attribution is followed by ">" lines and then by the sender's own: replies between the quoted lines."""
    below = [line for line in lines[body:] if line.strip()]
    return bool(below) and _quotes(below[0]) and not _FIELD.match(lines[at])


def _boundary(lines: list[str], at: int) -> int:
    """The line where a quoted message's text starts if line `at` starts its header, else 0."""
    line = lines[at]
    if field := _FIELD.match(line):
        return _header_end(lines, at) if field["name"].lower() in _FROM else 0
    if not line.strip():
        return 0
    folded = plain(line[:400])
    if _SEPARATOR.match(folded):
        return _after_separator(lines, at + 1)
    return _attribution_end(lines, at, folded)


def _after_separator(lines: list[str], at: int) -> int:
    while at < len(lines) and not lines[at].strip("> "):
        at += 1
    if at < len(lines) and _FIELD.match(lines[at]):
        return _header_end(lines, at, certain=True)
    return at


def _header_end(lines: list[str], at: int, certain: bool = False) -> int:
    """Just after a From/Sent/To/Subject block that starts at `at`, or 0 where it is none: an honest "De: Sevilla" is none."""
    if _ONE_LINE.match(lines[at][:600]):
        return at + 1
    names, last = [], at
    for here in range(at, min(len(lines), at + _LONGEST_HEADER)):
        field = _FIELD.match(lines[here])
        if here - last > 2 or (field and here > at and field["name"].lower() in _FROM):
            break
        if field:
            names.append(field["name"].lower())
            last = here
    enough = len(set(names)) >= 2 and not _TELLING.isdisjoint(names)
    return last + 1 if certain or enough else 0


def _attribution_end(lines: list[str], at: int, folded: str) -> int:
    """Just after "On ... wrote:", which mail programs wrap over up to three lines, or 0."""
    if not re.match(r"[ >*_]{0,8}(?:on|el|le|em|am|\d{4}-)\b|.{3,120}(?:wrote|escribio) (?:on|el)\b", folded):
        return 0
    joined = ""
    for here in range(at, min(at + 3, len(lines))):
        joined = f"{joined} {plain(lines[here][:400])}".lstrip()
        if _ENDS_ATTRIBUTION.search(joined[-5:]):
            return here + 1 if _WROTE.match(joined) else 0
    return 0


def _count(lines: list[str]) -> int:
    return sum(len(line.split()) for line in lines)


def _says(lines: list[str]) -> bool:
    """Whether a message says anything of its own, its signature apart."""
    text = signature.strip("\n".join(lines).strip())[0]
    folded = plain(text[:2_000])
    if len(_telling(folded)) < _ENOUGH_WORDS:
        return False
    return not _only_forwards(text.split("\n"), folded)


def _telling(folded: str) -> list[str]:
    """The words that are neither courtesy nor a way of handing a mail on."""
    return [word for word in _WORD.findall(folded) if word not in _FILLER and not _FILLER_STEMS.fullmatch(word)]


def _only_forwards(lines: list[str], folded: str) -> bool:
    """ "FYI" and then a name, a post and a telephone, with no sign-off between: still nothing but a forward."""
    lines = [line for line in lines if line.strip()]
    brief = len(lines) <= 6 and all(len(line) <= 45 and not line.rstrip().endswith((".", "?", "!")) for line in lines[1:])
    return (
        not _telling(plain(lines[0])) and brief and bool(_FORWARDS.search(folded)) and all(_titled(line) for line in lines[1:2])
    )


def _titled(line: str) -> bool:
    words = list(takewhile(str.isalpha, line.split()))
    return bool(words) and all(word[0].isupper() or len(word) <= 3 for word in words)
