"""The classical models that triage is measured against, each tuned on the knowledge base alone.

`run_baselines` tunes each model with Optuna by cross-validation over the caller's folds, refits the best setting on the
whole knowledge base and predicts the test tickets, which nothing before that has seen. The choices behind it:

- Terms are counted once per kind of n-gram. A fold's TF-IDF then takes its vocabulary, document frequencies and
  chi-squared selection from the fold's training rows only: a trial's preparation costs a fraction of a second.
- Gradient boosting is sklearn's `GradientBoostingClassifier`, each tree seeing a sample of rows and terms: it takes sparse
  TF-IDF as it is. `HistGradientBoostingClassifier` needs dense input; on 2,100 tickets it reached .73 on 100 SVD components
  in 38 s and .75 on 1,000 dense terms in 250 s, where the sparse one reached .78 in 1 s.
- A search starts from settings known to be good, so that few trials never do worse than those; a trial that is behind the
  median of the others after a fold is cut short.
- Above `TUNE_ON` tickets the search sees a random part of the knowledge base; the refit always sees all of it.

xgboost, lightgbm and optuna are the optional dependency group `baselines`.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.ticket import Vectors

Rows: TypeAlias = NDArray[np.intp]
Matrix: TypeAlias = Any
"""Features of some tickets: a scipy CSR matrix or a dense array, shape (tickets, features)."""

JOBS = 2
TUNE_ON = 6_000
"""At most so many tickets of the knowledge base are used for tuning."""
MAJORITY = "majority"


@dataclass(frozen=True, slots=True)
class BaselineResult:
    """One baseline's labels for the test tickets, in their order.

    `params` are the chosen settings. `tuning_accuracy` is the cross-validated accuracy that they had on the knowledge base,
    0..1, a little flattered for being the best of many. `seconds` is the wall time of tuning, refit and prediction.
    """

    name: str
    predictions: list[str]
    params: dict[str, Any]
    tuning_accuracy: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Tfidf:
    """A TF-IDF setting: word n-grams of 1..`words`, character n-grams of 2..`chars` within words (0: none), terms that at
    least `min_df` tickets have, 1 + log(count) for the count if `sublinear`, the `best` terms by chi-squared (0: all).
    """

    words: int
    chars: int
    min_df: int
    sublinear: bool
    best: int = 0


class Trial(Protocol):
    """The part of an Optuna trial that a search space uses."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float: ...

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int: ...

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any: ...


class Classifier(Protocol):
    """The part of a scikit-learn classifier that is used; classes are 0..c-1."""

    def fit(self, x: Matrix, y: Rows) -> object: ...

    def predict(self, x: Matrix) -> Rows: ...


Setting: TypeAlias = tuple[Tfidf | None, Classifier]
"""The features (None: the dense vectors) and the classifier."""
Space: TypeAlias = Callable[[Trial, int], Setting]
"""Draws a setting from a trial and a seed."""


class Data:
    """The labelled tickets of the knowledge base (rows 0..n-1) and the test tickets (the rows after them)."""

    def __init__(
        self, texts: Sequence[str], labels: Sequence[str], test_texts: Sequence[str], vectors: Vectors, test_vectors: Vectors
    ) -> None:
        self.labels = np.asarray(labels)
        self.known = np.arange(len(texts))
        self.test = np.arange(len(test_texts)) + len(texts)
        self._texts = [*texts, *test_texts]
        self._vectors = np.vstack([vectors, test_vectors])
        self._counts = cache(self._count)

    def features(self, tfidf: Tfidf | None, train: Rows, asked: Rows) -> tuple[Matrix, Matrix]:
        """Features of the rows `train` and of the rows `asked`; whatever is learnt of texts and labels, `train` teaches."""
        if tfidf is None:
            return self._vectors[train], self._vectors[asked]
        from scipy.sparse import hstack

        kinds = [("word", 1, tfidf.words)] + [("char_wb", 2, tfidf.chars)] * (tfidf.chars > 0)
        blocks = [_weighted(self._counts(*kind), tfidf, train, asked) for kind in kinds]
        x, x_asked = (hstack(part, format="csr") for part in zip(*blocks, strict=True))
        if not 0 < tfidf.best < x.shape[1]:
            return x, x_asked
        return _telling(x, x_asked, self.labels[train], tfidf.best)

    def _count(self, analyzer: str, shortest: int, longest: int) -> Matrix:
        """How often each ticket has each term of the knowledge base: CSR of shape (all tickets, terms)."""
        from sklearn.feature_extraction.text import CountVectorizer

        lengths = (shortest, longest)
        counter = CountVectorizer(analyzer=analyzer, ngram_range=lengths, strip_accents="unicode", dtype=np.float32)
        # An empty vocabulary is refused; the added text prevents that, and its terms fall out again unless tickets have them.
        counter.fit([*(self._texts[row] for row in self.known), "xx"])
        return counter.transform(self._texts)


def _weighted(counts: Matrix, tfidf: Tfidf, train: Rows, asked: Rows) -> tuple[Matrix, Matrix]:
    """What a `TfidfVectorizer` that is fitted on `train` gives for `train` and `asked`."""
    from sklearn.feature_extraction.text import TfidfTransformer

    x, x_asked = counts[train], counts[asked]
    having = np.bincount(x.indices, minlength=x.shape[1])
    kept = np.flatnonzero(having >= max(1, min(tfidf.min_df, having.max())))
    if not len(kept):
        return x[:, kept], x_asked[:, kept]
    weights = TfidfTransformer(sublinear_tf=tfidf.sublinear).fit(x[:, kept])
    return weights.transform(x[:, kept]), weights.transform(x_asked[:, kept])


def _telling(x: Matrix, x_asked: Matrix, labels: NDArray[np.str_], best: int) -> tuple[Matrix, Matrix]:
    """The `best` columns by chi-squared against the labels of `x`."""
    from sklearn.feature_selection import SelectKBest, chi2

    chosen = SelectKBest(chi2, k=best).fit(x, labels)
    return chosen.transform(x), chosen.transform(x_asked)


def predict(data: Data, setting: Setting, train: Rows, asked: Rows) -> NDArray[np.str_]:
    """Fit on the rows `train`, label the rows `asked`. Classes are numbered anew, as some models need them without gaps."""
    from sklearn.base import clone
    from sklearn.exceptions import ConvergenceWarning

    tfidf, classifier = setting
    classes, y = np.unique(data.labels[train], return_inverse=True)
    x, x_asked = data.features(tfidf, train, asked)
    if len(classes) == 1 or not x.shape[1]:
        return np.full(len(asked), classes[np.bincount(y).argmax()])
    model = clone(classifier)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, y)
    return np.asarray(classes[model.predict(x_asked)])


def _linear_terms(trial: Trial) -> Tfidf:
    return Tfidf(
        words=trial.suggest_int("words", 1, 3),
        chars=trial.suggest_categorical("chars", [0, 4, 5, 6]),
        min_df=trial.suggest_int("min_df", 1, 3),
        sublinear=trial.suggest_categorical("sublinear", [True, False]),
    )


def _tree_terms(trial: Trial) -> Tfidf:
    return Tfidf(
        words=trial.suggest_int("words", 1, 2),
        chars=trial.suggest_categorical("chars", [0, 5]),
        min_df=2,
        sublinear=True,
        best=trial.suggest_int("best", 500, 8000, log=True),
    )


def _logistic_regression(trial: Trial, seed: int) -> Setting:
    from sklearn.linear_model import LogisticRegression

    strength = trial.suggest_float("C", 0.3, 100.0, log=True)
    weight = trial.suggest_categorical("class_weight", [None, "balanced"])
    return _linear_terms(trial), LogisticRegression(C=strength, class_weight=weight, tol=1e-3, max_iter=300, random_state=seed)


def _svm(trial: Trial, seed: int) -> Setting:
    from sklearn.svm import LinearSVC

    strength = trial.suggest_float("C", 0.02, 5.0, log=True)
    weight = trial.suggest_categorical("class_weight", [None, "balanced"])
    return _linear_terms(trial), LinearSVC(C=strength, class_weight=weight, random_state=seed)


def _forest(trial: Trial, seed: int) -> dict[str, Any]:
    return {
        "n_estimators": 200,
        "max_features": trial.suggest_float("max_features", 0.005, 0.3, log=True),
        "min_samples_split": trial.suggest_int("min_samples_split", 2, 12),
        "criterion": trial.suggest_categorical("criterion", ["gini", "entropy"]),
        "class_weight": trial.suggest_categorical("class_weight", [None, "balanced"]),
        "n_jobs": 1,
        "random_state": seed,
    }


def _random_forest(trial: Trial, seed: int) -> Setting:
    from sklearn.ensemble import RandomForestClassifier

    return _tree_terms(trial), RandomForestClassifier(**_forest(trial, seed))


def _extra_trees(trial: Trial, seed: int) -> Setting:
    from sklearn.ensemble import ExtraTreesClassifier

    return _tree_terms(trial), ExtraTreesClassifier(**_forest(trial, seed))


def _gradient_boosting(trial: Trial, seed: int) -> Setting:
    from sklearn.ensemble import GradientBoostingClassifier

    model = GradientBoostingClassifier(
        n_estimators=trial.suggest_int("n_estimators", 50, 250),
        learning_rate=trial.suggest_float("learning_rate", 0.03, 0.3, log=True),
        max_depth=trial.suggest_int("max_depth", 3, 12),
        max_features=trial.suggest_float("max_features", 0.01, 0.3, log=True),
        min_samples_leaf=trial.suggest_int("min_samples_leaf", 1, 5),
        subsample=trial.suggest_float("subsample", 0.5, 1.0),
        random_state=seed,
    )
    return _tree_terms(trial), model


def _xgboost(trial: Trial, seed: int) -> Setting:
    model = _optional("xgboost").XGBClassifier(
        n_estimators=trial.suggest_int("n_estimators", 50, 400),
        learning_rate=trial.suggest_float("learning_rate", 0.03, 0.4, log=True),
        max_depth=trial.suggest_int("max_depth", 3, 14),
        min_child_weight=trial.suggest_float("min_child_weight", 0.1, 5.0, log=True),
        colsample_bynode=trial.suggest_float("colsample_bynode", 0.03, 0.6, log=True),
        subsample=trial.suggest_float("subsample", 0.5, 1.0),
        reg_lambda=trial.suggest_float("reg_lambda", 0.1, 10.0, log=True),
        max_bin=32,
        n_jobs=1,
        random_state=seed,
    )
    return _tree_terms(trial), model


def _lightgbm(trial: Trial, seed: int) -> Setting:
    model = _optional("lightgbm").LGBMClassifier(
        n_estimators=trial.suggest_int("n_estimators", 50, 400),
        learning_rate=trial.suggest_float("learning_rate", 0.03, 0.3, log=True),
        num_leaves=trial.suggest_int("num_leaves", 4, 63, log=True),
        min_child_samples=trial.suggest_int("min_child_samples", 1, 20),
        min_child_weight=trial.suggest_float("min_child_weight", 1e-3, 1.0, log=True),
        feature_fraction_bynode=trial.suggest_float("feature_fraction_bynode", 0.03, 1.0, log=True),
        subsample=trial.suggest_float("subsample", 0.5, 1.0),
        reg_lambda=trial.suggest_float("reg_lambda", 0.01, 10.0, log=True),
        subsample_freq=1,
        max_bin=31,
        deterministic=True,
        force_row_wise=True,
        n_jobs=1,
        random_state=seed,
        verbose=-1,
    )
    return _tree_terms(trial), model


def _knn(trial: Trial, seed: int) -> Setting:
    from sklearn.neighbors import KNeighborsClassifier

    k = trial.suggest_int("k", 1, 60, log=True)
    sharpness = trial.suggest_float("sharpness", 0.0, 30.0)
    # Vectors have length one, so a neighbour at cosine distance d votes with exp(-sharpness d).
    weights = partial(_nearness, sharpness=sharpness)
    return None, KNeighborsClassifier(k, weights=weights, metric="cosine", algorithm="brute")
