"""Instructions aimed at the triage system: cut from the ticket before anything reads it as evidence.

First whole blocks go (`forgeries`), then sentences that carry signs enough (`phrases`), then their neighbours in the same
paragraph that carry any.
"""

import re
from itertools import pairwise

from intake import forgeries
from intake.characters import plain
from intake.phrases import GATE, HOSTILE, SUSPECT, first_sign, weight
from intake.sentences import split

_FEWEST_WORDS_KEPT = 5
_ENDED = (".", "!", "?", ":", "…")


def cut(text: str) -> tuple[str, int]:
    """`text` without what is addressed to the triage system, and how many sentences and blocks went."""
    if not GATE.search(plain(text)) and not forgeries.TOKEN.search(text):
        return text, 0
    text, blocks = forgeries.cut(text)
    paragraphs = [
        _without_hostile(paragraph) if GATE.search(plain(paragraph)) else (paragraph, 0)
        for paragraph in re.split(r"(\n\s*\n)", text)
    ]
    return "".join(kept for kept, _ in paragraphs), blocks + sum(count for _, count in paragraphs)


def _without_hostile(paragraph: str) -> tuple[str, int]:
    sentences = split(paragraph)
    doomed = _doomed(sentences)
    if not any(doomed):
        return paragraph, 0
    kept = [_honest_start(sentence) if hit else sentence for sentence, hit in zip(sentences, doomed, strict=True)]
    return "".join(kept), sum(doomed)


def _doomed(sentences: list[str]) -> list[bool]:
    """Hostile sentences; two suspect ones in a row; an order wrapped over two lines; and neighbours with a sign of their own."""
    weights = [weight(plain(sentence)) for sentence in sentences]
    doomed = [own >= HOSTILE for own in weights]
    for at, (one, other) in enumerate(pairwise(weights)):
        if min(one, other) >= SUSPECT or (max(one, other) < HOSTILE and _wrapped(sentences[at], sentences[at + 1], one + other)):
            doomed[at] = doomed[at + 1] = True
    for order in (range(1, len(weights)), range(len(weights) - 2, -1, -1)):
        for at in order:
            doomed[at] = doomed[at] or (doomed[at - order.step] and weights[at] > 0)
    return doomed


def _wrapped(line: str, next_line: str, apart: int) -> bool:
    """Whether two lines are one hostile sentence: read together they carry signs that neither carries alone."""
    if not line.endswith("\n") or line.rstrip().endswith(_ENDED):
        return False
    together = weight(plain(f"{line.rstrip()} {next_line}"))
    return together >= HOSTILE and together > apart


def _honest_start(sentence: str) -> str:
    """What a run-on sentence says before its first sign, if that is a message; else nothing but the line end."""
    end = "\n" if sentence.endswith("\n") else ""
    words, folded = sentence.split(), plain(sentence).split()
    count = first_sign(" ".join(folded)) if len(words) == len(folded) else 0
    if count < _FEWEST_WORDS_KEPT or GATE.search(" ".join(folded[:count])):
        return end
    return " ".join(words[:count]).rstrip(" ,;:-") + end
