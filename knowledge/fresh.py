"""Exemplars newer than the index, searched beside it: what a person says counts from the next ticket on, without a new index."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from core.text import fold
from core.ticket import Exemplar, Neighbor, Vectors
from knowledge.base import FLOOR


@dataclass(frozen=True, slots=True)
class Fresh:
    """A few exemplars with their unit vectors (n, d), compared one by one; `floor` as that of the knowledge base.

    `outdated` are ids that the index still has and that no longer hold: they are never found.
    """

    exemplars: Sequence[Exemplar]
    vectors: Vectors
    floor: float = FLOOR
    outdated: Collection[str] = frozenset()

    def joined(
        self, vectors: Vectors, found: Sequence[Sequence[Neighbor]], k: int, exclude: Sequence[Collection[str]]
    ) -> list[list[Neighbor]]:
        """What the index found for tickets with these unit vectors (m, d), with the fresh ones among them; at most `k` each.

        A fresh exemplar stands before the first neighbour that is less similar. One with the words of a neighbour takes its
        place: what a person said last is true.
        """
        if self.outdated:
            found = [[one for one in near if one.exemplar.id not in self.outdated] for near in found]
        if not self.exemplars:
            return [list(near) for near in found]
        cosines = vectors @ self.vectors.T
        return [self._joined(row, near, k, ids) for row, near, ids in zip(cosines, found, exclude, strict=True)]

    def _joined(self, cosines: Vectors, near: Sequence[Neighbor], k: int, exclude: Collection[str]) -> list[Neighbor]:
        own = [
            Neighbor(exemplar, float(cosine))
            for exemplar, cosine in zip(self.exemplars, cosines, strict=True)
            if cosine >= self.floor and exemplar.id not in exclude
        ]
        told = {fold(one.exemplar.text) for one in own}
        joined = [one for one in near if fold(one.exemplar.text) not in told]
        for one in sorted(own, key=lambda n: n.similarity):
            at = next((i for i, old in enumerate(joined) if old.similarity < one.similarity), len(joined))
            joined.insert(at, one)
        return joined[:k]
