"""Dealing of entries to train, validation and test by hash, so that what is held out is never seen in training."""

import hashlib
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Literal, TypeVar

from core.text import fold

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
HELD_OUT = 0.15
"""Share of a pool that goes to validation, and again to test; at least one entry each."""
T = TypeVar("T", bound=Hashable)


def rank(text: str) -> int:
    """A number that depends on the text only."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def deal(items: Sequence[T], key: Callable[[T], str]) -> dict[T, Split]:
    """Each item's split. Fewer than three items can't be held out and all go to train."""
    return _spread(items, key, {})


def _spread(items: Sequence[T], key: Callable[[T], str], given: dict[T, Split]) -> dict[T, Split]:
    """Fills validation and test up to their share with items that have no split yet; the rest is for training."""
    held = max(1, round(HELD_OUT * len(items))) if len(items) > 2 else 0
    free = sorted((item for item in items if item not in given), key=lambda item: rank(key(item)))
    dealt = {item: given[item] for item in items if item in given}
    for split in SPLITS[1:]:
        wanted = max(0, held - sum(s == split for s in dealt.values()))
        for item in free[:wanted]:
            dealt[item] = split
        free = free[wanted:]
    return {item: dealt.get(item, "train") for item in items}


class Names:
    """Splits of names that occur in several lists: one name, one split, everywhere."""

    def __init__(self) -> None:
        self._split: dict[str, Split] = {}

    def claim(self, names: Iterable[str], split: Split) -> None:
        """These names belong to a split, unless they have one already."""
        for name in names:
            self._split.setdefault(fold(name), split)

    def deal(self, names: Sequence[str]) -> None:
        """Deals one list, with regard to what is dealt already."""
        folded = list(dict.fromkeys(fold(name) for name in names))
        self._split.update(_spread(folded, lambda name: name, {n: self._split[n] for n in folded if n in self._split}))

    def of(self, names: Sequence[str], split: Split) -> tuple[str, ...]:
        """Those of a list that belong to a split, in order."""
        return tuple(name for name in names if self._split[fold(name)] == split)
