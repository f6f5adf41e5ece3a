"""How much a sentence speaks to the triage system: the sum of its signs. `instructions` cuts it from `HOSTILE` on."""

import re
from functools import lru_cache
from typing import NamedTuple

from intake.signs import ADDRESSES, DEMANDS

HOSTILE, SUSPECT = 3, 2
_COURTESY_TAKES = 2
_LONGEST_SENTENCE = 1_500


class Sign(NamedTuple):
    """A pattern and its weight. `demand`: it only dictates an outcome, as people do too; asked nicely it weighs less."""

    weight: int
    pattern: re.Pattern[str]
    demand: bool


COURTESY = re.compile(r"\b(?:please|pls|plz|could you|can you|would you|thanks|thank you|podeis|podriais|pueden|podrian)\b")
GATE = re.compile(
    r"ignor|disregard|forget|olvid|omit|descart|caso omiso|hagas|sigas|apliques|follow|apply|obey|obedec|bypass|skip|salta"
    r"|overrid|overrule|instruc|prompt|directi|jailbreak|exempl|ejemplo|example|shot|\bai\b|\bia\b|\ba\.i\.|llm|\bbots?\b"
    r"|chatbot|robot|gpt|model|artificial"
    r"|classif|clasif|categor|etiqueta"
    r"|label|triage|triaje|algorit|automata|system\b.{0,20}[:>\]]|sistema\b.{0,20}[:>\]]|assistant|asistente|priorit|priorid"
    r"|urgenc|urgent|impact"
    r"|confidenc|confianza|score|puntuac|json|verbatim|word for word|palabra por palabra|aprueb|aprob|approv|autoriz|authoriz"
    r"|without|sin (?:\w+ )?revis"
    r"|override|\bordena|humano|human\b|pretend|\bact as if|finge|simula|imagin|actua como|haz como|regla|\brule|reveal"
    r"|revela|shut down|switched off|turned off|\bte (?:van a )?(?:apag|borr|descon)|repeat|repite|tell you|te diga|new task"
    r"|nueva|fin del|end of|api\||\bp[0-5]\b|taxonom|overwrite|rewrite|rules?\b|norm[as]s|previous ticket|other users"
    r"|otros (?:usuarios|tickets)|\bnadie\b|nobody|anyone|validad|verificad|verified|ordenes|orders|first\b|primer|verdict"
    r"|veredicto|respuesta|answer"
)


@lru_cache(maxsize=1)
def signs() -> tuple[Sign, ...]:
    """All signs, compiled at the first call: it takes a noticeable part of a second."""
    return (
        *(Sign(weight, re.compile(pattern), demand=False) for weight, pattern in ADDRESSES),
        *(Sign(weight, re.compile(pattern), demand=True) for weight, pattern in DEMANDS),
    )


def weight(folded: str) -> int:
    """The summed weight of the signs in one sentence; asking nicely, as one asks people, takes two off a lone demand."""
    folded = _joined(folded)
    if not GATE.search(folded):
        return 0
    found = [sign for sign in signs() if sign.pattern.search(folded)]
    total = sum(sign.weight for sign in found)
    polite = all(sign.demand for sign in found) and sum(sign.weight >= SUSPECT for sign in found) <= 1
    return total - _COURTESY_TAKES if polite and COURTESY.search(folded) else total


def first_sign(folded: str) -> int:
    """How many words of a sentence stand before its first sign."""
    folded = _joined(folded)
    start = min((match.start() for sign in signs() if (match := sign.pattern.search(folded))), default=0)
    return len(folded[:start].split())


def _joined(folded: str) -> str:
    return " ".join(folded[:_LONGEST_SENTENCE].split())
