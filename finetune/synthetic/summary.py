"""The summary a good model would give: only what the ticket says, in its words, at most 120 characters."""

import random
from collections.abc import Mapping

from core.text import fold
from finetune.synthetic.phrasing import capital

LONGEST = 120
"""Characters."""
SHARES = {"scope": 0.95, "urgency": 0.95, "alone": 0.15}
"""How often scope and urgency are told where they are said; that it is one person only, seldom."""
STEM = 4
"""Letters that two forms of a word have in common."""


def summarised(core: str, text: str, service: str, quotes: Mapping[str, str], rng: random.Random, alone: bool = False) -> str:
    """What happens, to what, then whom it affects and how urgent it is, as far as the ticket says so.

    `alone` where the scope is one person.
    """
    if service and fold(service) not in fold(core) and fold(service) in fold(text):
        core = f"{core} ({service})"
    pieces = [capital(_shortened(core, LONGEST))]
    for name in ("scope", "urgency"):
        quote = quotes.get(name, "")
        if (
            quote
            and rng.random() < SHARES["alone" if alone and name == "scope" else name]
            and len("; ".join([*pieces, quote])) <= LONGEST
        ):
            pieces.append(quote)
    separator = "; " if rng.random() < 0.85 else ", "
    return " ".join(separator.join(pieces).split())


def _shortened(text: str, longest: int) -> str:
    line = " ".join(text.split()).rstrip(".,;:!? ")
    return line if len(line) <= longest else line[: longest - 1].rsplit(" ", 1)[0] + "…"


def grounded(summary: str, text: str) -> float:
    """Share of the summary's words of four letters or more whose first letters some word of the text has too."""
    stems = {word[:STEM] for word in words(text)}
    content = [word for word in words(summary) if len(word) >= STEM]
    return sum(word[:STEM] in stems for word in content) / len(content) if content else 1.0


def words(text: str) -> list[str]:
    """Folded words without punctuation."""
    return "".join(c if c.isalnum() else " " for c in fold(text)).split()
