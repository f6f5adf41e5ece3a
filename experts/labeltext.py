"""Label-text similarity: a ticket against what the taxonomy says of each label. Serves labels that have no example yet."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from core.fusion import normalise
from core.taxonomy import Taxonomy
from core.ticket import Evidence, Vectors
from core.triage import LogProbs

SHARPNESS = 20.0
"""Cosines of label texts lie within a few tenths of each other; this spreads them over a distribution."""


@dataclass(frozen=True, slots=True)
class LabelText:
    """Cosine of a ticket's vector with each label's texts (name, synonyms, definition, one text per language), the best counting.

    `texts` holds, by field, unit vectors of shape (labels, texts, d).
    """

    texts: Mapping[str, Vectors]

    @property
    def name(self) -> str:
        return "label_text"

    def log_probs(self, evidence: Evidence) -> dict[str, LogProbs]:
        """field -> (tickets, labels)."""
        return {field: self._field(vectors, evidence.vectors) for field, vectors in self.texts.items()}

    def _field(self, labels: Vectors, tickets: Vectors) -> LogProbs:
        best = np.einsum("lvd,td->tlv", labels, tickets).max(axis=2)
        return normalise(SHARPNESS * best.astype(np.float64))


def embed_labels(
    taxonomy: Taxonomy,
    fields: Sequence[str],
    encode: Callable[[Sequence[str]], Vectors],
    glossary: Mapping[str, str] = MappingProxyType({}),
) -> LabelText:
    """Embed every label's texts once, and what the operator's `glossary` says of it. Labels with fewer repeat their last text."""
    texts = {}
    for field in fields:
        rows = [
            (*label.texts, *([glossary[label.name]] if label.name in glossary else [])) for label in taxonomy.fields[field].labels
        ]
        width = max(len(row) for row in rows)
        flat = [row[min(i, len(row) - 1)] for row in rows for i in range(width)]
        texts[field] = encode(flat).reshape(len(rows), width, -1)
    return LabelText(texts)
