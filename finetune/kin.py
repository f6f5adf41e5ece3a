"""Texts of a knowledge base that belong together: what an adapter of the embedder learns a house's own likeness from."""

import hashlib
import random
from collections.abc import Sequence
from functools import cached_property

from core.errors import ModelError
from core.ticket import Vectors

LEAST = 2


class Kin:
    """Draws pairs of texts that have the same label and are no near-duplicates of each other.

    Args:
        texts, labels: one label a text; "" is none. An answer's text is a label too: tickets solved by the same words.
        vectors: unit rows (n, d) of the texts, which near-duplicates are found with.

    Raises:
        ModelError: there are not two labels with two different texts each.
    """

    def __init__(self, texts: Sequence[str], labels: Sequence[str], vectors: Vectors) -> None:
        from knowledge.duplicates import duplicate_groups

        first: dict[int, int] = {}
        for row, group in enumerate(duplicate_groups(texts, vectors)):
            first.setdefault(int(group), row)
        by_label: dict[str, list[str]] = {}
        for row in first.values():
            if labels[row]:
                by_label.setdefault(labels[row], []).append(texts[row])
        self.by_label = {label: found for label, found in sorted(by_label.items()) if len(found) >= LEAST}
        if len(self.by_label) < LEAST:
            raise ModelError("There are no two labels with two different texts each.", remedy="Name another field.")

    @cached_property
    def digest(self) -> str:
        """Of all texts and labels: a run goes on with the same ones only."""
        return hashlib.sha256(repr(self.by_label).encode("utf-8", "surrogatepass")).hexdigest()[:12]

    def draw(self, n: int, rng: random.Random) -> list[tuple[str, str, str]]:
        """`n` of (text, another text, their label); labels by the square root of their texts, so that rare ones are seen."""
        labels = list(self.by_label)
        weights = [len(self.by_label[label]) ** 0.5 for label in labels]
        drawn = rng.choices(labels, weights, k=n)
        return [(*rng.sample(self.by_label[label], 2), label) for label in drawn]  # type: ignore[misc]
