"""Signatures off: only at the end of a message, and never more than what follows the sign-off."""

import re

from intake.characters import plain

_DASHES = re.compile(r"--\s?$")
_DEVICE = re.compile(
    r"(?:sent|enviado|enviada|gesendet|envoye) (?:from|desde|via|de|von) .{2,60}$|(?:get|obtener|obten"
    r"|descarg\w+) outlook (?:for|para) "
)
_STRONG = (
    r"(?:(?:un|mis|con un|reciba un|reciban un) )?(?:(?:muy )?cordial(?:es)? )?(?:saludos?|salu2"
    r"|slds)(?: (?:muy )?cordial(?:es)?| a todos)?"
    r"|(?:muy )?atentamente|atte|cordialmente|un (?:fuerte )?abrazo|abrazos|salud"
    r"|(?:with )?(?:kind(?:est)?|best|warm(?:est)?|many)? ?regards|best(?: wishes)?|rgds|br|(?:yours )?(?:sincerely"
    r"|faithfully|truly)"
    r"|cordially|cheers"
)
_WEAK = (
    r"(?:muchas |muchisimas |mil )?gracias(?: (?:de antemano|por adelantado|por todo|por la ayuda|por vuestra ayuda"
    r"|por su ayuda))?"
    r"|(?:many |kind )?thanks(?: (?:in advance|a million|a lot|so much|again))?|thank you(?: (?:so much|very much|in advance"
    r"|for your help))?"
    r"|thx|tks"
)
_SIGN_OFF = re.compile(rf"\W{{0,3}}(?P<weak>{_WEAK})?(?:[,.! ]{{1,3}}(?:y |and )?)?(?P<strong>{_STRONG})?(?![a-z])(?P<rest>.*)$")
_INLINE = re.compile(r"(?<=[.!?…)])\s+\S.{3,60}$")
_POSTSCRIPT = re.compile(r"p\.? ?[ds]\b|nota\b|note\b")
_CONTACT = re.compile(r"@|<(?:email|phone|url):|\d{3}|https?:|www\.|\||·|\b(?:ext|tel|tlf|movil|mobile|phone)\b", re.IGNORECASE)
_SMALL_WORDS = """
de del la las los y e da do van von der of the and en desde
"""
_SMALL = frozenset(_SMALL_WORDS.split())
_DISCLAIMER = re.compile(
    r"\W{0,4}(?:(?:aviso|nota) (?:legal|de confidencialidad)|confidential|confidencial|disclaimer|est[ea] (?:mensaje|correo"
    r"|e-?mail|comunicacion)"
    r"|th(?:is|e) (?:e-?mail|message|communication|information)|la informacion (?:contenida|incluida)|de conformidad"
    r"|en cumplimiento"
    r"|le informamos|antes de imprimir|please consider the environment|before printing|no imprima|si (?:ha|usted) (?:no|recib))"
)
_DISCLAIMS = re.compile(
    r"confiden[ct]ial|destinatari|recipient|addressee|intended (?:only|solely)|por error|in error|proteccion de datos"
    r"|data protection"
    r"|rgpd|gdpr|prohibid|prohibited|unauthori[sz]ed|medio ambiente|environment|before printing|antes de imprimir|privileged"
)
_MOST_LINES = 12
_MOST_CHARACTERS = 700


def strip(text: str) -> tuple[str, int]:
    """`text` without its signature, and how many lines (or the one part of a line) went.

    A text that would be left with nothing keeps everything; a lone "gracias" stays.
    """
    lines = text.rstrip().split("\n")
    before = _filled(lines)
    _drop_disclaimers(lines)
    start = _start(lines)
    if start is not None:
        del lines[start:]
    _drop_device(lines)
    inline = _drop_inline(lines)
    return "\n".join(lines).rstrip(), before - _filled(lines) + inline


def _filled(lines: list[str]) -> int:
    return sum(not line.isspace() and line != "" for line in lines)


def _said(lines: list[str]) -> bool:
    """Whether these lines hold at least two words: what stands before a sign-off has to be a message."""
    return sum(len(line.split()) for line in lines[:50]) >= 2


def _trim(lines: list[str]) -> None:
    while lines and not lines[-1].strip("-_=* "):
        lines.pop()


def _drop_disclaimers(lines: list[str]) -> None:
    """Closing paragraphs that disclaim; one alone can be a ticket about a mail that went astray, and stays."""
    while True:
        _trim(lines)
        start = len(lines) - 1
        while (
            start > 0 and not _DISCLAIMER.match(plain(lines[start][:80])) and lines[start - 1].strip() and len(lines) - start < 12
        ):
            start -= 1
        if start < 1 or not _disclaims(" ".join(lines[start:])) or not _said(lines[:start]):
            return
        del lines[start:]


def _disclaims(paragraph: str) -> bool:
    folded = plain(paragraph[:2_000])
    return bool(_DISCLAIMER.match(folded)) and len(set(_DISCLAIMS.findall(folded))) >= 2


def _drop_device(lines: list[str]) -> None:
    _trim(lines)
    while len(lines) > 1 and len(lines[-1]) < 90 and _DEVICE.match(plain(lines[-1].strip())):
        lines.pop()
        _trim(lines)


def _start(lines: list[str]) -> int | None:
    """Where the signature starts: the first line that signs off with nothing but a signature after it."""
    for at in range(max(1, len(lines) - 2 * _MOST_LINES), len(lines)):
        if len(lines[at]) <= 90 and _signs_off(lines[at], lines[at + 1 :]) and _said(lines[:at]):
            return at
    return None


def _signs_off(line: str, after: list[str]) -> bool:
    after = [other.strip() for other in after if other.strip()]
    if len(after) > _MOST_LINES or sum(map(len, after)) > _MOST_CHARACTERS:
        return False
    if _DASHES.fullmatch(line.rstrip() + " ") or (line.startswith("-- ") and _named(line[3:])):
        return not any(_POSTSCRIPT.match(plain(other)) for other in after)
    kind = _closing(line)
    if kind == "weak":
        return bool(after) and _named(after[0]) and all(map(_belongs, after))
    return kind == "strong" and (not after or _named(after[0])) and all(map(_belongs, after))


def _closing(line: str) -> str:
    """ "strong" (Un saludo, Kind regards), "weak" (Gracias: only with a name after it), "strong" too with a name beside it."""
    match = _SIGN_OFF.match(plain(line))
    if match is None or not (match["weak"] or match["strong"]):
        return ""
    rest = line[len(line) - len(match["rest"]) :].strip(" ,.;:!¡)😊🙂") if match["rest"] else ""
    if rest:
        return "strong" if _named(rest) and match["rest"][:1] in ",.! " else ""
    return "strong" if match["strong"] else "weak"


def _named(text: str) -> bool:
    """Whether `text` can be a name or a contact: few words, all capitalised but the small ones."""
    words = re.findall(r"[^\W\d_]+", text)
    if not words or len(words) > 6 or len(text) > 70 or text.rstrip().endswith(("?", ":")):
        return bool(_CONTACT.search(text)) and len(words) <= 8
    return all(word[0].isupper() or word in _SMALL for word in words) or (bool(_CONTACT.search(text)) and len(words) <= 6)


def _belongs(line: str) -> bool:
    """Whether a line under the name belongs to it: post, department, address, telephone; no sentence, no postscript."""
    folded = plain(line)
    words = line.split()
    if _POSTSCRIPT.match(folded) or len(line) > 100 or line.endswith("?"):
        return False
    if _DEVICE.match(folded) or _CONTACT.search(line):
        return len(words) <= 14
    return len(words) <= 9 and not (line.endswith((".", "!")) and len(words) > 5)


def _drop_inline(lines: list[str]) -> int:
    """A sign-off at the end of the last sentence's line: "... no imprime. Un saludo, Marta"."""
    _trim(lines)
    if not lines or (match := _INLINE.search(lines[-1][-120:])) is None:
        return 0
    tail = match[0]
    while (later := _INLINE.search(tail.lstrip())) is not None:
        tail = later[0]
    if _closing(tail.strip()) != "strong" or not _said([*lines[:-1], lines[-1][: -len(tail)]]):
        return 0
    lines[-1] = lines[-1][: -len(tail)].rstrip()
    return 1
