"""Filling of slots, paraphrases and the small repairs that make a sentence of the pieces."""

import random
import re
from collections.abc import Callable, Mapping
from functools import cache

from finetune.synthetic.incident import Incident
from finetune.synthetic.lexicon import Lexicon, parts, raw

SLOT = re.compile(r"\{(\w+)(\?)?\}")
_ARTICLE = re.compile(r"^(?:el|la|los|las|mi|the|my) ", re.IGNORECASE)
_REPAIRS = (
    (re.compile(r"\b([dD]e|[aA]) el (?=\S)"), lambda m: f"{m[1]}l "),
    (re.compile(r"[ \t]+"), " "),
    (re.compile(r" ([.,;:!?)])(?!\w)"), r"\1"),
    (re.compile(r"([!?.])[.,]+(?!\w)"), r"\1"),
    (re.compile(r"[,;:]+([.,;])"), r"\1"),
    (re.compile(r", (?=[A-ZÁÉÍÓÚ¿][a-záéíóú]* )"), ". "),
    (re.compile(r"[,;\-] ?\Z"), "."),
    (re.compile(r"\(\s*\)"), ""),
)
_PLACES = ("ERR", "E", "0x", "ORA-", "HTTP ", "SYS-", "COD ", "X", "#")
_HOSTS = ("srv", "pc", "nb", "app", "db", "sw", "prn", "vm")


def bare(surface: str) -> str:
    """Without its article: "la VPN" -> "VPN"."""
    return _ARTICLE.sub("", surface)


def capital(text: str) -> str:
    """With its first letter in upper case."""
    return text[:1].upper() + text[1:]


def repaired(text: str) -> str:
    """Contractions, spaces and punctuation as people write them."""
    for pattern, by in _REPAIRS:
        text = pattern.sub(by, text)
    return text.strip()


def slots(incident: Incident, lexicon: Lexicon, language: str) -> dict[str, str]:
    """The values of the slots that phrases may have. The same incident has the same details in both languages."""
    rng = random.Random(incident.detail)
    here = {name: rng.random() for name in ("thing", "doing", "who", "room", "month", "role")}
    n, mm, hh = rng.randint(2, 30 if rng.random() < 0.7 else 900), rng.randint(10, 59), rng.randint(7, 21)
    values = {
        "n": str(n),
        "few": str(n % 9 + 2),
        "hh": str(hh),
        "mm": str(mm),
        "hour": f"{hh}:{mm}",
        "host": f"{_HOSTS[n % 8]}-{incident.detail % 97:02d}",
        "err": f"{_PLACES[n % 9]}{incident.detail % 9973}",
        "date": f"{n % 27 + 1}/{n % 12 + 1}",
        "who": _at(lexicon.banks["person"][language], here["who"]),
        "room": _at(lexicon.banks["room"][language], here["room"]),
        "month": _at(lexicon.banks["month"][language], here["month"]),
        "role": _at(lexicon.banks["role"][language], here["role"]),
        "site": incident.site,
        "dept": _at(lexicon.departments[incident.department].names[language], here["thing"]),
    }
    service = incident.service
    if service is None:
        return values
    generic = _at(service.kind.generic[language], here["role"])
    full = service.name or generic
    if service.name and ("domain" in incident.said or (service.kind.app and here["who"] < 0.15)):
        full = f"{generic} {service.name}"
    values["s"], values["S"] = full, service.name or bare(generic)
    values["thing"] = _at(service.kind.things[language], here["thing"])
    values["doing"] = _at(service.kind.doing[language], here["doing"])
    return values


def _at(items: tuple[str, ...], share: float) -> str:
    return items[int(share * len(items))]


def filled(phrase: str, values: Mapping[str, str]) -> str:
    """The phrase with its slots filled; unknown ones are left empty."""
    return SLOT.sub(lambda m: values.get(m[1], ""), phrase)


@cache
def _swaps(language: str) -> tuple[re.Pattern[str], Mapping[str, tuple[str, ...]]]:
    rows = [parts(line) for line in raw("paraphrases")[language]]
    table: dict[str, tuple[str, ...]] = {}
    for first, *others in rows:
        table[first] = (*table.get(first, ()), *others)
    keys = sorted(table, key=len, reverse=True)
    return re.compile(r"\b(?:" + "|".join(map(re.escape, keys)) + r")\b"), table


def paraphrased(text: str, language: str, rng: random.Random) -> str:
    """Some words put differently, each with even odds."""
    pattern, table = _swaps(language)
    return pattern.sub(_swap(table, rng), text)


def _swap(table: Mapping[str, tuple[str, ...]], rng: random.Random) -> Callable[[re.Match[str]], str]:
    return lambda m: rng.choice(table[m[0]]) if rng.random() < 0.5 else m[0]
