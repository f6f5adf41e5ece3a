"""The classical models that triage is measured against, each tuned honestly on the knowledge base alone.

`run_baselines` tunes each model with Optuna by cross-validation over the caller's folds, refits the winner on the whole
knowledge base and predicts the test tickets, which nothing before that has seen. The choices behind it:

- Terms are counted once per kind of n-gram. A fold's TF-IDF then takes its vocabulary, document frequencies and chi-squared
  selection from the fold's training rows only, so a trial costs a fraction of a second of preparation and nothing leaks.
- Tree models choose among few, telling terms (chi-squared), which is both faster and better than the whole vocabulary.
- Gradient boosting is sklearn's `GradientBoostingClassifier`, with a sample of rows and terms per tree: it takes sparse
  TF-IDF as it is. `HistGradientBoostingClassifier` needs dense input; on 2,100 tickets it reached .73 on 100 SVD components
  in 38 s and .75 on 1,000 dense terms in 250 s, where the sparse one reached .78 in 1 s.
- Each search starts from known good settings, so that few trials never do worse than those; trials that fall behind the
  median after a fold are cut.
- Above `TUNE_ON` tickets the search sees a random part of the knowledge base; the refit always sees all of it.

xgboost, lightgbm and optuna are the optional dependency group `baselines`.
"""

import importlib
import time
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.ticket import Vectors

Rows: TypeAlias = NDArray[np.intp]
Matrix: TypeAlias = Any
"""Features of some rows: a scipy CSR matrix or a dense array, shape (rows, features)."""

JOBS = 2
TUNE_ON = 6_000
"""At most so many tickets of the knowledge base are used for tuning."""
MAJORITY = "majority"


@dataclass(frozen=True, slots=True)
class BaselineResult:
    """One baseline's labels for the test tickets.

    `params` are the chosen settings, `tuning_accuracy` the cross-validated accuracy they had on the knowledge base (a
    little flattered, being the best of many), `seconds` the wall time of tuning, refit and prediction.
    """

    name: str
    predictions: list[str]
    params: dict[str, Any]
    tuning_accuracy: float
    seconds: float


class Trial(Protocol):
    """The part of an Optuna trial that a search space uses; replayed with fixed values for the refit."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float: ...

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int: ...

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any: ...


@dataclass(frozen=True, slots=True)
class Tfidf:
    """A TF-IDF setting: word n-grams of 1..`words`, character n-grams of 2..`chars` within words (0 = none), terms in at
    least `min_df` tickets, 1 + log of the term count (`sublinear`), the `best` terms by chi-squared (0 = all).
    """

    words: int
    chars: int
    min_df: int
    sublinear: bool
    best: int = 0


class Classifier(Protocol):
    """What is used of a scikit-learn classifier; classes are given as 0..c-1."""

    def fit(self, x: Matrix, y: Rows) -> object: ...

    def predict(self, x: Matrix) -> Rows: ...


Space: TypeAlias = Callable[[Trial, int], tuple[Tfidf | None, Classifier]]
"""Draws a setting from a trial (and a seed): the TF-IDF setting, or None for the dense vectors, and the classifier."""


class Features:
    """The knowledge base's n tickets (rows 0..n-1) and the test tickets (the rows after), as matrices."""

    def __init__(self, texts: Sequence[str], test_texts: Sequence[str], vectors: Vectors, test_vectors: Vectors) -> None:
        self._texts, self._known = [*texts, *test_texts], len(texts)
        self._vectors = np.vstack([vectors, test_vectors])
        self._counts = lru_cache(maxsize=None)(self._count)

    def __call__(self, setting: Tfidf | None, train: Rows, rows: Rows) -> tuple[Matrix, Matrix]:
        """Features of `train` and of `rows`, with everything that is learnt (vocabulary, idf) learnt from `train`."""
        if setting is None:
            return self._vectors[train], self._vectors[rows]
        from scipy.sparse import hstack

        kinds = [("word", setting.words)] * (setting.words > 0) + [("char_wb", setting.chars)] * (setting.chars > 0)
        parts = [_tfidf(self._counts(*kind), setting, train, rows) for kind in kinds]
        return hstack([part[0] for part in parts], format="csr"), hstack([part[1] for part in parts], format="csr")

    def _count(self, analyzer: str, longest: int) -> Matrix:
        """Counts of the knowledge base's terms in all tickets, CSR of shape (tickets, terms)."""
        from sklearn.feature_extraction.text import CountVectorizer

        shortest = 1 if analyzer == "word" else 2
        counter = CountVectorizer(analyzer=analyzer, ngram_range=(shortest, longest), strip_accents="unicode", dtype=np.float32)
        # The extra text keeps the counter from refusing tickets without a single word; no row has its terms.
        counter.fit([*self._texts[: self._known], "\N{BLACK SQUARE}x"])
        return counter.transform(self._texts)


def _tfidf(counts: Matrix, setting: Tfidf, train: Rows, rows: Rows) -> tuple[Matrix, Matrix]:
    """What a `TfidfVectorizer` fitted on the rows `train` would give for `train` and `rows`."""
    from sklearn.feature_extraction.text import TfidfTransformer

    known, asked = counts[train], counts[rows]
    frequency = np.bincount(known.indices, minlength=counts.shape[1])
    kept = np.flatnonzero(frequency >= min(setting.min_df, frequency.max(initial=1)))
    weigh = TfidfTransformer(sublinear_tf=setting.sublinear).fit(known[:, kept])
    return weigh.transform(known[:, kept]), weigh.transform(asked[:, kept])
