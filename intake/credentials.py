"""Finder for credentials: private keys, tokens, passwords in addresses and after words that announce them."""

import re
from collections.abc import Callable, Iterator

from intake.characters import aligned, plain
from intake.found import MASK, Found

_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY( BLOCK)?-----")
_KEY_ENDS = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY( BLOCK)?-----")
_TOKENS = re.compile(
    r"(?<![A-Za-z0-9_])(?:"
    r"eyJ[\w-]{8,4000}\.[\w-]{8,8000}(?:\.[\w-]{0,4000})?"  # JWT
    r"|(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_\w{22,255}|glpat-[\w-]{20,64}"  # GitHub, GitLab
    r"|xox[abeoprs]-[\w-]{10,250}|sk-(?:[a-z]{2,8}-)?[\w-]{20,200}|[rsp]k_(?:live|test)_[A-Za-z0-9]{10,99}"  # Slack, Stripe
    r"|AIza[\w-]{35}|ya29\.[\w-]{20,400}|SG\.[\w-]{16,64}\.[\w-]{16,64}|npm_[A-Za-z0-9]{30,64}|hf_[A-Za-z0-9]{20,64}"
    r"|pypi-[\w-]{40,250}"
    r")(?![A-Za-z0-9])"
)
_TOKEN_STARTS = (
    "eyJ",
    "AKIA",
    "ASIA",
    "AROA",
    "AIDA",
    "gh",
    "glpat",
    "xox",
    "sk-",
    "k_",
    "AIza",
    "ya29",
    "SG.",
    "npm_",
    "hf_",
    "pypi-",
)
_BEARER = re.compile(r"\b(?:bearer|basic|token)\s{1,3}(?P<value>[a-z0-9\-._~+/]{16,4000}={0,2})", re.IGNORECASE)
_USERINFO = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://(?P<value>[^\s/@:<>\"']{0,128}:[^\s/@<>\"']{1,256})@", re.IGNORECASE)
_PARAMETER = re.compile(
    r"[?&;#](?P<name>[\w-]{0,20}(?:token|secret|signature|password|passwd|api_?key|auth|session_?id|jwt)|sig|pwd|pass|key"
    r"|code|sid|access_key)"
    r"=(?P<value>[^\s&#;<>\"']{4,4000})",
    re.IGNORECASE,
)
_SHORT_NAMES = frozenset(("key", "code", "sid"))
_ANNOUNCES = re.compile(r"pass|pwd|\bpw\b|psw|contrase|clave|\bpin\b|\bpuk\b|\botp\b|secret|key|token|codigo de|credenc|credent")
_LABEL = re.compile(
    r"(?<![a-z])(?P<user>(?:user(?:name)?|usuario|login)s?\s?[/y&]\s?)?"
    r"(?:passwords?|passwd|passphrase|passcode|pwd|pass|pw|psw|contrasenas?|claves?|pin|puk|otp|(?:client[_ ]?)?secret"
    r"|(?:api|access|account|shared|secret)[ _-]?(?:access[ _-]?)?key|(?:api[ _-]?|access[ _-]?)?token|codigo de (?:acceso"
    r"|verificacion|recuperacion)"
    r"|credenciales|credentials)(?![a-z])"
)
_VALUE = r"[\"'«“`(]{0,2}(?P<value>[^\s\"'«»“”`<>]{3,256})"
_ANNOUNCED = re.compile(rf"(?P<between>[^\n:=]{{0,40}}?)\s{{0,3}}(?P<join>:=|[:=]|->|=>|→)\s{{0,3}}{_VALUE}")
_SAID = re.compile(
    rf"(?P<between>[^\n]{{0,40}}?)\s(?:is|es|era|was|sea|son|are)(?:\s(?:now|ahora|still|actually|just))?:?\s{{1,3}}{_VALUE}"
)
_BESIDE = re.compile(rf"(?P<between>)\s{{1,3}}{_VALUE}")
_IN_BRACKETS = re.compile(r"(?P<between>)[^\n()\"«“`]{0,60}[(\"«“`'](?P<value>[^\s()\"'«»“”`<>]{6,64})[)\"»”`']")
_SECOND = re.compile(r"\s{0,2}[/|,&]\s{0,2}([^\s\"'<>]{3,64})")
_BETWEEN_WORDS = """
de del la el the my mi su his her for para wifi wi-fi red correo mail email acceso temporal temporary inicial initial nueva
new actual current old vieja vpn windows usuario user admin sap sigma cuenta account provisional maestra master root que
puse uso i use set in of it one ultima last por defecto default servidor server base datos
"""
_BETWEEN = frozenset(_BETWEEN_WORDS.split())
_ORDINARY = re.compile(
    r"[a-zñ]+(?:ad[oa]s?|id[oa]s?|ed|ing)|no|si|yes|me|te|se|que|el|la|los|las|un|una|al|del|mi|su|para|por|con|sin|the|is"
    r"|not|was|has|that|and|but|for|it"
    r"|my|in|to|on|or|at|of|an|also|ok|incorrect[oa]?|wrong|invalid[oa]?|error|null|none|nueva|new|old|reset|unknown|blank"
    r"|empty|vacia|correct[oa]?"
    r"|ya|ni|desde|cuando|porque|pero|hay|tengo|tiene|ayer|hoy|expires?|caduca|caduco|solo|siempre|nunca|never|always|fail\w*"
    r"|falla\w*|change|cambio|cambiar"
    r"|olvid\w*|forgot\w*|please|gracias|thanks|temporal|correo|email|usuario|user|wifi|windows|policy|manager|true|false"
    r"|este|esta|asi|bien|mal|imposible"
    r"|denied|bloque\w*|still|doesn.?t|does|don.?t|can.?t|cannot|could|won.?t|will|keeps?|asks?|pide|dice|sale|sigue|funciona"
    r"|works?|too|muy|demasiado|en"
)
_CODE_LIKE = re.compile(r"0x|hk(?:lm|cu)|https?:|[/\\]|\d{1,2}[:/]\d")
_ENDS = ".,;:)]}"


def find(text: str) -> Iterator[Found]:
    """Credentials in `text`; where several readings overlap, all are handed back."""
    if "-----BEGIN" in text:
        yield from _private_keys(text)
    if any(start in text for start in _TOKEN_STARTS):
        yield from (Found("secret", match.start(), match.end(), match[0]) for match in _TOKENS.finditer(text))
    if "://" in text:
        yield from _values(_USERINFO.finditer(text))
    if "=" in text:
        yield from _values(m for m in _PARAMETER.finditer(text) if len(m["value"]) >= 12 or m["name"].lower() not in _SHORT_NAMES)
    folded = aligned(text)
    if _ANNOUNCES.search(folded) or "bearer" in folded or "basic" in folded:
        yield from _values(
            m for m in _BEARER.finditer(text) if re.search(r"\d", m["value"]) and re.search(r"[A-Za-z]", m["value"])
        )
        yield from _labelled(text, folded)


def _values(matches: Iterator[re.Match[str]]) -> Iterator[Found]:
    for match in matches:
        if MASK.search(match["value"]) is None:
            yield Found("secret", match.start("value"), match.end("value"), match["value"])


def _private_keys(text: str) -> Iterator[Found]:
    """Whole blocks; one that never ends goes up to the next blank line."""
    at = 0
    while begin := _KEY_BEGINS.search(text, at):
        end = _KEY_ENDS.search(text, begin.end())
        blank = text.find("\n\n", begin.end())
        at = end.end() if end else (blank if blank >= 0 else len(text))
        yield Found("secret", begin.start(), at, text[begin.start() : at])


def _labelled(text: str, folded: str) -> Iterator[Found]:
    for label in _LABEL.finditer(folded):
        for pattern, convinces in ((_ANNOUNCED, _announced), (_SAID, _mixed), (_BESIDE, _random), (_IN_BRACKETS, _random)):
            match = pattern.match(folded, label.end(), min(len(folded), label.end() + 330))
            if match and (found := _secret(text, match, bool(label["user"]))) and _convinces(convinces, found, match, folded):
                yield found
                break


def _convinces(by: Callable[[str], bool], found: Found, match: re.Match[str], folded: str) -> bool:
    value = found.value
    if MASK.search(value) or len(value) < 3 or _CODE_LIKE.match(plain(value)):
        return False
    if not _BETWEEN.issuperset(re.findall(r"[\w-]+", match["between"])):
        return _random(value)
    return by(value) and (not (value.islower() and value.isalpha()) or _stands_alone(folded, found.end))


def _secret(text: str, match: re.Match[str], with_user: bool) -> Found:
    """The value as written, without closing punctuation; after "user/password:" both of the pair."""
    start, end = match.span("value")
    value = text[start:end]
    if "=" in (match.groupdict().get("join") or ""):
        value = re.split("[;&]", value, maxsplit=1)[0]
    value = value.rstrip(_ENDS)
    if with_user and (second := _SECOND.match(text, start + len(value))):
        value = text[start : second.end()].rstrip(_ENDS)
    return Found("secret", start, start + len(value), value)


def _announced(value: str) -> bool:
    """After `:` or `=` anything but the words that go on a sentence ("contraseña: no funciona")."""
    return _ORDINARY.fullmatch(plain(value)) is None


def _mixed(value: str) -> bool:
    """After "is": something with a digit or a sign in it; "my password is expired" tells nothing."""
    return any(c.isdigit() for c in value) or any(not c.isalnum() and c not in "-'’." for c in value)


def _random(value: str) -> bool:
    """Small letters with digits, as people make passwords; no error code (capitals and digits) and no version."""
    small = any(c.islower() for c in value)
    return (
        len(value) >= 6
        and small
        and any(c.isdigit() for c in value)
        and not value[0].isdigit()
        and "/" not in value
        and "@" not in value
    )


def _stands_alone(folded: str, end: int) -> bool:
    """Whether nothing but an end or an "and" follows: "clave: sevilla", not "clave: llamar a sistemas"."""
    return re.match(r"\s*(?:$|[\n.,;)\]/|]|y\b|and\b)", folded[end : end + 8]) is not None
