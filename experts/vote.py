"""The neighbours' vote: each past ticket speaks for its own label, the nearer the louder.

Nearness is the cosine of the vectors, or that plus the overlap of the words: the vectors know what is meant, the words know
the product names, the error codes and the languages that the embedder does not.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.taxonomy import Taxonomy
from core.ticket import Evidence, Neighbor
from core.triage import LogProbs
from core.voting import voices

PRIOR_VOTES = 0.5
"""How many votes the label frequencies of the whole knowledge base are worth."""
GRAM_BUCKETS = 2**20


@dataclass(frozen=True, slots=True)
class NeighborVote:
    """Similarity-weighted vote, smoothed with the priors: field -> probabilities over its labels, shape (labels,).

    A neighbour whose label is not in the taxonomy (any more) is not heard. With `wording` the overlap of character 4-grams
    is added to the cosine.
    """

    taxonomy: Taxonomy
    priors: Mapping[str, NDArray[np.float64]]
    wording: bool = False
    grams: "Grams" = dataclasses.field(default_factory=lambda: Grams(), compare=False, repr=False)

    @property
    def name(self) -> str:
        return "wording" if self.wording else "vote"

    def log_probs(self, evidence: Evidence) -> dict[str, LogProbs]:
        """field -> (tickets, labels); a ticket without neighbours gets the prior."""
        nearness = [np.array([n.similarity for n in near]) for near in evidence.neighbors]
        if self.wording:
            nearness = [a + b for a, b in zip(nearness, self.grams.overlap(evidence), strict=True)]
        return {field: self._field(field, evidence.neighbors, nearness) for field in self.priors}

    def _field(self, field: str, neighbors: Sequence[Sequence[Neighbor]], nearness: Sequence[NDArray[np.float64]]) -> LogProbs:
        index = {name: i for i, name in enumerate(self.taxonomy.labels(field))}
        prior = self.priors[field]
        votes = np.tile(PRIOR_VOTES * prior, (len(neighbors), 1))
        for row, near in enumerate(neighbors):
            heard = [i for i, n in enumerate(near) if n.exemplar.labels.get(field) in index]
            if heard:
                columns = [index[near[i].exemplar.labels[field]] for i in heard]
                np.add.at(votes[row], columns, voices(nearness[row][heard]))
        log_votes: LogProbs = np.log(votes / votes.sum(axis=1, keepdims=True))
        return log_votes


class Grams:
    """Sets of character 4-grams, hashed. Those of exemplars are kept, because the next tickets meet the same ones again."""

    def __init__(self) -> None:
        self._known: dict[str, NDArray[np.int32]] = {}

    def overlap(self, evidence: Evidence) -> list[NDArray[np.float64]]:
        """For each ticket the cosine (0..1) of its set of 4-grams with that of each neighbour, accents aside."""
        fresh = {n.exemplar.id: n.exemplar.text for near in evidence.neighbors for n in near if n.exemplar.id not in self._known}
        self._known.update(zip(fresh, _hashed(list(fresh.values())), strict=True))
        asked = np.zeros(GRAM_BUCKETS)
        overlaps = []
        for ticket, near in zip(_hashed([t.text for t in evidence.tickets]), evidence.neighbors, strict=True):
            asked[ticket] = 1.0
            sets = [self._known[n.exemplar.id] for n in near]
            shared = np.array([asked[known].sum() for known in sets])
            overlaps.append(shared / np.sqrt(np.array([max(1, len(known) * len(ticket)) for known in sets])))
            asked[ticket] = 0.0
        return overlaps


def _hashed(texts: Sequence[str]) -> list[NDArray[np.int32]]:
    """The distinct 4-grams of each text, as bucket numbers."""
    from sklearn.feature_extraction.text import HashingVectorizer

    grams = HashingVectorizer(
        analyzer="char_wb",
        ngram_range=(4, 4),
        binary=True,
        alternate_sign=False,
        n_features=GRAM_BUCKETS,
        strip_accents="unicode",
    )
    if not texts:
        return []
    rows = grams.transform(texts)
    return [rows.indices[start:end].copy() for start, end in itertools.pairwise(rows.indptr)]


def label_priors(
    labels: Sequence[Mapping[str, str]], taxonomy: Taxonomy, fields: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """field -> label frequencies of the knowledge base with half a count for each label, so that none is impossible."""
    priors = {}
    for field in fields:
        names = taxonomy.labels(field)
        index = {name: i for i, name in enumerate(names)}
        counts = np.full(len(names), 0.5)
        for row in labels:
            if field in row:
                counts[index[row[field]]] += 1.0
        priors[field] = counts / counts.sum()
    return priors
