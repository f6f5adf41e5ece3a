"""The neighbours' vote: each past ticket speaks for its own label, the nearer the louder."""

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
    """Similarity-weighted vote, smoothed with the priors: field -> probabilities over its labels, shape (labels,)."""

    taxonomy: Taxonomy
    priors: Mapping[str, NDArray[np.float64]]

    @property
    def name(self) -> str:
        return "vote"

    def log_probs(self, evidence: Evidence) -> dict[str, LogProbs]:
        """field -> (tickets, labels); a ticket without neighbours gets the prior."""
        return {field: self._field(field, evidence.neighbors) for field in self.priors}

    def _field(self, field: str, neighbors: Sequence[Sequence[Neighbor]]) -> LogProbs:
        index = {name: i for i, name in enumerate(self.taxonomy.labels(field))}
        prior = self.priors[field]
        votes = np.tile(PRIOR_VOTES * prior, (len(neighbors), 1))
        for row, near in enumerate(neighbors):
            spoken = [(index[n.exemplar.labels[field]], n.similarity) for n in near if field in n.exemplar.labels]
            if spoken:
                columns, similarities = zip(*spoken, strict=True)
                weights = np.exp(SHARPNESS * (np.asarray(similarities) - max(similarities)))
                np.add.at(votes[row], list(columns), len(spoken) * weights / weights.sum())
        log_votes: LogProbs = np.log(votes / votes.sum(axis=1, keepdims=True))
        return log_votes


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
