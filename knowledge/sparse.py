"""BM25 word vectors in Spanish and English; the store adds the rarity of each word (IDF).

A document is stemmed in its own language, or in both where that is unknown. A query is stemmed in both: a Spanish ticket
then meets English exemplars at the words they share, such as product names and error codes.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from qdrant_edge import Bm25

LANGUAGES = {"es": "spanish", "en": "english"}
MAX_CHARACTERS = 20_000
"""Longer texts are cut here: what decides a ticket comes first, and a pasted log must not cost seconds."""


class Sparse(NamedTuple):
    """A sparse vector: word hashes (unsigned 32 bit, ascending) and their weights."""

    indices: list[int]
    values: list[float]


class Bm25Words:
    """Turns texts into BM25 vectors. `average_words` is the mean length of the documents, stop words included."""

    def __init__(self, average_words: float = 40.0) -> None:
        self.average_words = max(average_words, 1.0)

    @cached_property
    def _models(self) -> dict[str, "Bm25"]:
        from qdrant_edge import Bm25, Bm25Config, Language, StopwordsSet

        # Both languages' stop words in both: otherwise "los" counts as a rare, telling word among English texts.
        stopwords = StopwordsSet(languages={Language.Spanish, Language.English})
        return {
            code: Bm25(Bm25Config(language=name, ascii_folding=True, avg_len=self.average_words, stopwords=stopwords))
            for code, name in LANGUAGES.items()
        }

    def document(self, text: str, language: str) -> Sparse:
        """The vector of an exemplar; `language` is an ISO 639-1 code, anything but es and en counts as unknown."""
        models = [self._models[language]] if language in self._models else list(self._models.values())
        vectors = [model.embed_document(text[:MAX_CHARACTERS]) for model in models]
        return _union([(v.indices, v.values) for v in vectors])

    def query(self, text: str) -> Sparse:
        """The vector of a ticket: every distinct word counts 1; empty where the text has only stop words."""
        vectors = [model.embed_query(text[:MAX_CHARACTERS]) for model in self._models.values()]
        return _union([(v.indices, v.values) for v in vectors])


def _union(vectors: Sequence[tuple[Sequence[int], Sequence[float]]]) -> Sparse:
    """A word that both languages stem alike counts once."""
    weights: dict[int, float] = {}
    for indices, values in vectors:
        for index, value in zip(indices, values, strict=True):
            weights[index] = max(value, weights.get(index, 0.0))
    ordered = sorted(weights)
    return Sparse(ordered, [weights[index] for index in ordered])
