"""The neighbours' vote: each past ticket speaks for its own label, the nearer the louder.

Nearness is the cosine of the vectors, or that plus the overlap of the words: the vectors know what is meant, the words know
the product names, the error codes and the languages that the embedder does not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.taxonomy import Taxonomy
from core.ticket import Evidence, Neighbor
from core.triage import LogProbs

SHARPNESS = 8.0
"""A neighbour's weight is exp(SHARPNESS * cosine)."""
PRIOR_VOTES = 0.5
"""How many votes the label frequencies of the whole knowledge base are worth."""


@dataclass(frozen=True, slots=True)
class NeighborVote:
    """Similarity-weighted vote, smoothed with the priors: field -> probabilities over its labels, shape (labels,).

    A neighbour whose label is not in the taxonomy (any more) is not heard. With `wording` the overlap of character 4-grams
    is added to the cosine.
    """

    taxonomy: Taxonomy
    priors: Mapping[str, NDArray[np.float64]]
    wording: bool = False

    @property
    def name(self) -> str:
        return "wording" if self.wording else "vote"

    def log_probs(self, evidence: Evidence) -> dict[str, LogProbs]:
        """field -> (tickets, labels); a ticket without neighbours gets the prior."""
        nearness = [np.array([n.similarity for n in near]) for near in evidence.neighbors]
        if self.wording:
            nearness = [a + b for a, b in zip(nearness, wording_overlap(evidence), strict=True)]
        return {field: self._field(field, evidence.neighbors, nearness) for field in self.priors}

    def _field(self, field: str, neighbors: Sequence[Sequence[Neighbor]], nearness: Sequence[NDArray[np.float64]]) -> LogProbs:
        index = {name: i for i, name in enumerate(self.taxonomy.labels(field))}
        prior = self.priors[field]
        votes = np.tile(PRIOR_VOTES * prior, (len(neighbors), 1))
        for row, near in enumerate(neighbors):
            heard = [i for i, n in enumerate(near) if n.exemplar.labels.get(field) in index]
            if heard:
                columns = [index[near[i].exemplar.labels[field]] for i in heard]
                weights = np.exp(SHARPNESS * (nearness[row][heard] - nearness[row][heard].max()))
                np.add.at(votes[row], columns, len(heard) * weights / weights.sum())
        log_votes: LogProbs = np.log(votes / votes.sum(axis=1, keepdims=True))
        return log_votes


def wording_overlap(evidence: Evidence) -> list[NDArray[np.float64]]:
    """For each ticket the cosine (0..1) of its set of character 4-grams with that of each neighbour, accents aside."""
    from sklearn.feature_extraction.text import HashingVectorizer

    grams = HashingVectorizer(
        analyzer="char_wb", ngram_range=(4, 4), binary=True, alternate_sign=False, n_features=2**20, strip_accents="unicode"
    )
    texts = {n.exemplar.id: n.exemplar.text for near in evidence.neighbors for n in near}
    if not texts:
        return [np.empty(0) for _ in evidence.tickets]
    place = {exemplar: i for i, exemplar in enumerate(texts)}
    known, asked = grams.transform(texts.values()), grams.transform([ticket.text for ticket in evidence.tickets])
    overlaps = []
    for row, near in enumerate(evidence.neighbors):
        columns = [place[n.exemplar.id] for n in near]
        overlaps.append(np.asarray((known[columns] @ asked[row].T).todense()).ravel())
    return overlaps


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
