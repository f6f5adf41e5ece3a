"""What happens to a text between the head and the ticket: slips of the keyboard, haste, bad encodings, quoted threads."""

import random
import re
import unicodedata
from collections.abc import Callable, Mapping

CLEAN = 0.45
"""Share of tickets without noise at intensity 1; it never falls below LEAST_CLEAN."""
LEAST_CLEAN = 0.4
_ROWS = ("qwertyuiop", "asdfghjklñ", "zxcvbnm")
_SHORT: Mapping[str, Mapping[str, str]] = {
    "es": {
        "que": "q",
        "porque": "xq",
        "por favor": "pf",
        "para": "pa",
        "por": "x",
        "estoy": "toy",
        "cuando": "cdo",
        "mensaje": "msj",
        "también": "tmb",
        "contraseña": "contra",
        "ordenador": "ordena",
        "no sé": "nose",
        "más": "+",
        "gracias": "grax",
        "mucho": "mxo",
        "todo": "to",
        "hay que": "ay q",
        "he": "e",
    },
    "en": {
        "you": "u",
        "are": "r",
        "please": "pls",
        "because": "bc",
        "before": "b4",
        "thanks": "thx",
        "with": "w/",
        "your": "ur",
        "people": "ppl",
        "password": "pwd",
        "message": "msg",
        "the": "da",
        "for": "4",
        "to": "2",
        "don't know": "dunno",
        "going to": "gonna",
        "want to": "wanna",
        "about": "abt",
        "today": "2day",
    },
}
_THREADS = {
    "es": (
        "El lun {n}, soporte escribió:\n> Su caso ha sido recibido",
        "-----Mensaje original-----\nDe: soporte\n> Le atenderemos en breve",
    ),
    "en": (
        "On Mon {n}, support wrote:\n> Your case has been received",
        "-----Original Message-----\nFrom: support\n> We will be with you soon",
    ),
}
_LOGS = (
    "{n}:07 WARN pool exhausted ({n})",
    "java.io.IOException: code {n}",
    "[{n}] retry 2/5 failed",
    "0x8007{n} at 0x00{n}",
    "GET /v2/items/{n} 502",
)


def _neighbours() -> dict[str, str]:
    near: dict[str, str] = {}
    for row in _ROWS:
        for i, key in enumerate(row):
            near[key] = row[max(0, i - 1) : i] + row[i + 1 : i + 2]
    return near


_NEAR = _neighbours()


def slips(text: str, rng: random.Random, language: str, rate: float = 0.02) -> str:
    """Keys hit beside, twice, not at all or in the wrong order."""
    letters = list(text)
    for _ in range(max(1, round(len(letters) * rate))):
        i = rng.randrange(max(1, len(letters) - 1))
        if not letters[i : i + 1] or not letters[i].isalpha():
            continue
        form = rng.random()
        if form < 0.4:
            letters[i] = rng.choice(_NEAR.get(letters[i].lower(), letters[i]) or letters[i])
        elif form < 0.6:
            letters[i] = ""
        elif form < 0.75:
            letters[i] *= 2
        elif i + 1 < len(letters) and letters[i + 1].isalpha():
            letters[i], letters[i + 1] = letters[i + 1], letters[i]
    return "".join(letters)


def no_accents(text: str, rng: random.Random, language: str) -> str:
    """Accents and opening marks left out; ñ mostly stays."""
    keep = rng.random() < 0.6
    plain = (c if keep and c in "ñÑ" else unicodedata.normalize("NFKD", c)[0] for c in text if c not in "¿¡")
    return "".join(plain)


def spelling(text: str, rng: random.Random, language: str) -> str:
    """b for v, h dropped, z for s and the like; in English letters that are not heard."""
    swaps = (("v", "b"), ("b", "v"), ("h", ""), ("ll", "y"), ("z", "s"), ("c", "s"), ("j", "g")) if language == "es" else _ENGLISH
    wrong, right = rng.choice(swaps)
    return re.sub(rf"(?<=[a-zñ ]){wrong}(?=[aeiouáéíó ])", lambda m: right if rng.random() < 0.5 else m[0], text)


_ENGLISH = (("ie", "ei"), ("ll", "l"), ("ss", "s"), ("ea", "ae"), ("t", "tt"), ("e ", " "), ("c", "s"))


def short(text: str, rng: random.Random, language: str) -> str:
    """As in a text message: q, xq, tb; u, pls, thx."""
    for long, brief in _SHORT[language].items():
        if rng.random() < 0.6:
            text = re.sub(rf"\b{long}\b", brief, text)
    return text.lower()


def unpunctuated(text: str, rng: random.Random, language: str) -> str:
    """No commas or full stops, mostly lower case."""
    bare = re.sub(r"[.,;:¿¡](?=\s|$)|[¿¡]", "", text)
    return bare.lower() if rng.random() < 0.7 else bare


def capitals(text: str, rng: random.Random, language: str) -> str:
    """Shouting: the whole text or one sentence."""
    if rng.random() < 0.6:
        return text.upper()
    first, _, rest = text.partition(". ")
    return f"{first.upper()}. {rest}" if rest else text.upper()


def mojibake(text: str, rng: random.Random, language: str) -> str:
    """UTF-8 read as Latin-1, or letters lost to question marks."""
    if rng.random() < 0.5:
        return text.encode("utf-8").decode("latin-1").replace("\xad", "")
    return "".join(c if ord(c) < 128 or rng.random() < 0.3 else "?" for c in text)


def threaded(text: str, rng: random.Random, language: str) -> str:
    """An older message quoted below."""
    return f"{text}\n{rng.choice(_THREADS[language]).replace('{n}', str(rng.randint(1, 28)))}"


def logged(text: str, rng: random.Random, language: str) -> str:
    """Lines of a log pasted below."""
    lines = (rng.choice(_LOGS).replace("{n}", str(rng.randint(100, 999))) for _ in range(rng.randint(1, 3)))
    return "\n".join([text, *lines])


Operator = Callable[[str, random.Random, str], str]
_OPERATORS: tuple[tuple[Operator, float, tuple[str, ...]], ...] = (
    (slips, 5, ("es", "en")),
    (no_accents, 6, ("es",)),
    (spelling, 2, ("es", "en")),
    (short, 2, ("es", "en")),
    (unpunctuated, 4, ("es", "en")),
    (capitals, 1.2, ("es", "en")),
    (mojibake, 0.8, ("es",)),
    (threaded, 0.7, ("es", "en")),
    (logged, 0.8, ("es", "en")),
)
_BELOW = {threaded, logged}


def noisy(subject: str, body: str, language: str, rng: random.Random, intensity: float = 1.0) -> tuple[str, str]:
    """Subject and body with noise; often none. Intensity 0 leaves all clean, 1 is a usual desk, 2 a careless one."""
    if rng.random() < max(LEAST_CLEAN, 1 - (1 - CLEAN) * intensity):
        return subject, body
    usual = [(operator, weight) for operator, weight, languages in _OPERATORS if language in languages]
    operators = rng.choices([o for o, _ in usual], [w for _, w in usual], k=rng.choice((1, 1, 1, 2, 2, 3)))
    for operator in dict.fromkeys(operators):
        body = operator(body, rng, language)
        if subject and operator not in _BELOW and rng.random() < 0.6:
            subject = operator(subject, rng, language)
    return ("" if rng.random() < 0.04 and body else subject), body
