"""Names that mean nothing: products, places and codes out of syllables, each belonging to one split."""

import random
from collections.abc import Callable

from core.text import fold
from finetune.synthetic.deal import Split, rank

_STARTS = [
    "b",
    "br",
    "c",
    "cl",
    "cr",
    "d",
    "dr",
    "f",
    "fl",
    "g",
    "gr",
    "h",
    "j",
    "k",
    "l",
    "m",
    "n",
    "p",
    "pl",
    "pr",
    "qu",
    "r",
    "s",
    "st",
    "t",
    "tr",
    "v",
    "vl",
    "x",
    "z",
]
_VOWELS = ["a", "e", "i", "o", "u", "ia", "io", "ei", "au"]
_ENDS = ["", "", "n", "r", "s", "x", "l", "m", "nt", "k", "th", "rd"]
_SUFFIXES = ["", "", "", "", " Pro", " Suite", " Web", " 360", " One", "Net", " Plus", "Hub", " Go", " Cloud", " 2"]
_SHARES: tuple[Split, ...] = ("train",) * 7 + ("validation",) + ("test",) * 2


def split_of(word: str) -> Split:
    """The split that an invented word belongs to."""
    return _SHARES[rank(fold(word)) % len(_SHARES)]


def _own(make: Callable[[], str], split: Split) -> str:
    while True:
        word = make()
        if split_of(word) == split:
            return word


def word(rng: random.Random, split: Split) -> str:
    """A word of two or three syllables, capitalised: "Travik", "Seliaz"."""

    def make() -> str:
        count = 2 if rng.random() < 0.75 else 3
        return ("".join(rng.choice(_STARTS) + rng.choice(_VOWELS) for _ in range(count)) + rng.choice(_ENDS)).capitalize()

    return _own(make, split)


def product(rng: random.Random, split: Split) -> str:
    """A product name: "Travik", "Travik 360", "TravikNet"."""
    return word(rng, split) + rng.choice(_SUFFIXES)


def code(rng: random.Random, split: Split) -> str:
    """A code such as "Q-17", "KT04" or "7F3"."""

    def make() -> str:
        letters = "".join(rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(rng.randint(1, 3)))
        form = rng.random()
        if form < 0.5:
            return f"{letters}-{rng.randint(1, 99)}"
        return f"{letters}{rng.randint(0, 99):02d}" if form < 0.8 else f"{rng.randint(1, 9)}{letters}{rng.randint(1, 9)}"

    return _own(make, split)
