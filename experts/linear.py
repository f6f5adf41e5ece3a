"""The linear head: logistic regression over word and character TF-IDF. Strong on jargon, error codes and product names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.taxonomy import Taxonomy
from core.ticket import Evidence
from core.triage import LogProbs
from experts.heads import Head, fit_head

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

WORDS: Mapping[str, Any] = {"ngram_range": (1, 2), "sublinear_tf": True, "max_features": 200_000, "strip_accents": "unicode"}
CHARACTERS: Mapping[str, Any] = {
    "analyzer": "char_wb", "ngram_range": (3, 5), "sublinear_tf": True, "max_features": 100_000, "strip_accents": "unicode",
}  # fmt: skip
INVERSE_REGULARISATION = 20.0
SMALL = 300
"""Below this many texts a term that occurs once is kept: there is no frequency to go by."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Two TF-IDF vocabularies (word and character n-grams) with their inverse document frequencies, shape (terms,)."""

    terms: tuple[Mapping[str, int], Mapping[str, int]]
    idf: tuple[NDArray[np.float32], NDArray[np.float32]]

    def transform(self, texts: Sequence[str]) -> "csr_matrix":
        """Sparse features, shape (texts, word terms + character terms)."""
        from scipy.sparse import hstack

        return hstack([v.transform(texts) for v in self._vectorizers()], format="csr")

    def _vectorizers(self) -> list[Any]:
        from sklearn.feature_extraction.text import TfidfVectorizer

        made = []
        for settings, terms, idf in zip((WORDS, CHARACTERS), self.terms, self.idf, strict=True):
            vectorizer = TfidfVectorizer(**{**settings, "max_features": None}, vocabulary=terms, dtype=np.float32)
            vectorizer.idf_ = idf
            made.append(vectorizer)
        return made


@dataclass(frozen=True, slots=True)
class LinearHead:
    """The expert: one vocabulary, one head a field. `sizes` is the number of labels of each field."""

    vocabulary: Vocabulary
    heads: Mapping[str, Head]
    sizes: Mapping[str, int]

    @property
    def name(self) -> str:
        return "linear"

    def log_probs(self, evidence: Evidence) -> dict[str, LogProbs]:
        """field -> (tickets, labels)."""
        return self.read([ticket.text for ticket in evidence.tickets])

    def read(self, texts: Sequence[str]) -> dict[str, LogProbs]:
        """The same from bare texts."""
        features = self.vocabulary.transform(texts)
        return {field: head.log_probs(features, self.sizes[field]) for field, head in self.heads.items()}


def fit_linear(
    texts: Sequence[str], labels: Sequence[Mapping[str, str]], taxonomy: Taxonomy, fields: Sequence[str]
) -> LinearHead:
    """Fit on texts and their labels; a text without a label for a field is not used for that field."""
    vocabulary = _fit_vocabulary(texts)
    features = vocabulary.transform(texts)
    heads = {f: fit_head(features, labels, taxonomy, f, INVERSE_REGULARISATION) for f in fields}
    return LinearHead(vocabulary, heads, {field: len(taxonomy.labels(field)) for field in fields})


def _fit_vocabulary(texts: Sequence[str]) -> Vocabulary:
    from sklearn.feature_extraction.text import TfidfVectorizer

    rare = 1 if len(texts) < SMALL else 2
    fitted = [
        TfidfVectorizer(**settings, min_df=rare + extra, dtype=np.float32).fit(texts)
        for settings, extra in ((WORDS, 0), (CHARACTERS, min(1, rare - 1)))
    ]
    terms = tuple({term: int(i) for term, i in v.vocabulary_.items()} for v in fitted)
    idf = tuple(v.idf_.astype(np.float32) for v in fitted)
    return Vocabulary((terms[0], terms[1]), (idf[0], idf[1]))
