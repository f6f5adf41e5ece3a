"""The probe: logistic regression on the embedder's vectors. Reads what is meant, in as far as the embedder knows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.taxonomy import Taxonomy
from core.ticket import Evidence, Vectors
from core.triage import LogProbs
from experts.heads import Head, fit_head

INVERSE_REGULARISATION = 10.0


@dataclass(frozen=True, slots=True)
class Probe:
    """One head a field over unit vectors. `sizes` is the number of labels of each field."""

    heads: Mapping[str, Head]
    sizes: Mapping[str, int]

    @property
    def name(self) -> str:
        return "probe"

    def log_probs(self, evidence: Evidence) -> dict[str, LogProbs]:
        """field -> (tickets, labels)."""
        return self.read(evidence.vectors)

    def read(self, vectors: Vectors) -> dict[str, LogProbs]:
        """The same from bare vectors (tickets, d)."""
        return {field: head.log_probs(vectors, self.sizes[field]) for field, head in self.heads.items()}


def fit_probe(vectors: Vectors, labels: Sequence[Mapping[str, str]], taxonomy: Taxonomy, fields: Sequence[str]) -> Probe:
    """Fit on unit vectors (n, d) and their labels; a row without a label for a field is not used for that field."""
    heads = {f: fit_head(vectors.astype(np.float64), labels, taxonomy, f, INVERSE_REGULARISATION) for f in fields}
    return Probe(heads, {field: len(taxonomy.labels(field)) for field in fields})
