"""The models of `experts.baselines`: the search space of each, and the setting that its search starts from.

Every model works on one thread: `experts.baselines` works on several models at once, which keeps shared cores busier.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError

T = TypeVar("T")
Rows: TypeAlias = NDArray[np.intp]
Matrix: TypeAlias = Any
"""Features of some tickets: a scipy CSR matrix or a dense array, shape (tickets, features)."""


def required(package: str) -> ModuleType:
    """A package of the optional group `baselines`; InputError says how to install it."""
    try:
        return importlib.import_module(package)
    except (ImportError, OSError) as error:
        raise InputError(
            f"The baselines need {package}, which can't be imported ({error}).",
            remedy='Install the group with `pip install "tamiz[baselines]"`, in a checkout `pip install -e ".[baselines]"`.',
        ) from error


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

    def suggest_categorical(self, name: str, choices: Sequence[T]) -> T: ...


class RunningTrial(Trial, Protocol):
    """The part of an Optuna trial that a search uses; `number` counts from 0."""

    number: int

    def report(self, value: float, step: int) -> None: ...

    def should_prune(self) -> bool: ...


class Classifier(Protocol):
    """The part of a scikit-learn classifier that is used; classes are 0..c-1."""

    def fit(self, x: Matrix, y: Rows) -> object: ...

    def predict(self, x: Matrix) -> Rows: ...


Setting: TypeAlias = tuple[Tfidf | None, Callable[[], Classifier]]
"""The features (None: the dense vectors) and what makes a new classifier."""
Space: TypeAlias = Callable[[Trial, int], Setting]
"""Draws a setting from a trial and a seed."""


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
        best=trial.suggest_int("best", 500, 5000, log=True),
    )


def _logistic_regression(trial: Trial, seed: int) -> Setting:
    from sklearn.linear_model import LogisticRegression

    strength = trial.suggest_float("C", 0.3, 100.0, log=True)
    weight = trial.suggest_categorical("class_weight", [None, "balanced"])
    return _linear_terms(trial), partial(
        LogisticRegression, C=strength, class_weight=weight, tol=1e-3, max_iter=300, random_state=seed
    )


def _svm(trial: Trial, seed: int) -> Setting:
    from sklearn.svm import LinearSVC

    strength = trial.suggest_float("C", 0.02, 5.0, log=True)
    weight = trial.suggest_categorical("class_weight", [None, "balanced"])
    return _linear_terms(trial), partial(LinearSVC, C=strength, class_weight=weight, random_state=seed)


def _forest(trial: Trial, seed: int) -> dict[str, Any]:
    return {
        "n_estimators": 200,
        "max_features": trial.suggest_float("max_features", 0.005, 0.1, log=True),
        "min_samples_split": trial.suggest_int("min_samples_split", 2, 12),
        "criterion": trial.suggest_categorical("criterion", ["gini", "entropy"]),
        "class_weight": trial.suggest_categorical("class_weight", [None, "balanced"]),
        "n_jobs": 1,
        "random_state": seed,
    }


def _random_forest(trial: Trial, seed: int) -> Setting:
    from sklearn.ensemble import RandomForestClassifier

    return _tree_terms(trial), partial(RandomForestClassifier, **_forest(trial, seed))


def _extra_trees(trial: Trial, seed: int) -> Setting:
    from sklearn.ensemble import ExtraTreesClassifier

    return _tree_terms(trial), partial(ExtraTreesClassifier, **_forest(trial, seed))


def _gradient_boosting(trial: Trial, seed: int) -> Setting:
    from sklearn.ensemble import GradientBoostingClassifier

    model = partial(
        GradientBoostingClassifier,
        n_estimators=trial.suggest_int("n_estimators", 50, 200),
        learning_rate=trial.suggest_float("learning_rate", 0.03, 0.3, log=True),
        max_depth=trial.suggest_int("max_depth", 3, 8),
        max_features=trial.suggest_float("max_features", 0.01, 0.1, log=True),
        min_samples_leaf=trial.suggest_int("min_samples_leaf", 1, 5),
        subsample=trial.suggest_float("subsample", 0.5, 1.0),
        random_state=seed,
    )
    return _tree_terms(trial), model


def _xgboost(trial: Trial, seed: int) -> Setting:
    model = partial(
        required("xgboost").XGBClassifier,
        n_estimators=trial.suggest_int("n_estimators", 50, 300),
        learning_rate=trial.suggest_float("learning_rate", 0.03, 0.4, log=True),
        max_depth=trial.suggest_int("max_depth", 3, 10),
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
    model = partial(
        required("lightgbm").LGBMClassifier,
        n_estimators=trial.suggest_int("n_estimators", 50, 300),
        learning_rate=trial.suggest_float("learning_rate", 0.03, 0.3, log=True),
        num_leaves=trial.suggest_int("num_leaves", 4, 31, log=True),
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


@dataclass
class NearestVotes:
    """The `k` nearest known vectors vote; one at cosine distance d counts exp(-sharpness d)."""

    k: int
    sharpness: float
    _model: Any = field(default=None, init=False)

    def fit(self, x: Matrix, y: Rows) -> None:
        """Keep the known vectors x (n, d) with their classes y (n,)."""
        from sklearn.neighbors import KNeighborsClassifier

        k = min(self.k, len(y))
        self._model = KNeighborsClassifier(k, weights=self._weights, metric="cosine", algorithm="brute").fit(x, y)

    def predict(self, x: Matrix) -> Rows:
        """The class with the most votes for each row of x (n, d)."""
        return np.asarray(self._model.predict(x))

    def _weights(self, distances: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.exp(-self.sharpness * distances)


def _knn(trial: Trial, seed: int) -> Setting:
    k = trial.suggest_int("k", 1, 60, log=True)
    return None, partial(NearestVotes, k, trial.suggest_float("sharpness", 0.0, 30.0))


_TREE_START = {"words": 2, "chars": 5, "best": 3000}
_FOREST_START = {"max_features": 0.05, "min_samples_split": 2, "criterion": "gini", "class_weight": None} | _TREE_START
_BOOST_START = {"learning_rate": 0.15, "subsample": 0.8, "reg_lambda": 1.0, "words": 1, "chars": 0, "best": 1000}
_LINEAR_START = {"class_weight": "balanced", "words": 2, "sublinear": False}

MODELS: Mapping[str, tuple[Space, Mapping[str, Any]]] = {
    "logistic_regression": (_logistic_regression, _LINEAR_START | {"C": 10.0, "chars": 5, "min_df": 3}),
    "random_forest": (_random_forest, _FOREST_START),
    "xgboost": (
        _xgboost,
        _BOOST_START | {"n_estimators": 150, "max_depth": 6, "min_child_weight": 1.0, "colsample_bynode": 0.1},
    ),
    "svm": (_svm, _LINEAR_START | {"C": 0.3, "chars": 6, "min_df": 1}),
    "lightgbm": (
        _lightgbm,
        _BOOST_START
        | {"n_estimators": 150, "num_leaves": 15, "min_child_samples": 2, "min_child_weight": 0.01}
        | {"feature_fraction_bynode": 0.1},
    ),
    "gradient_boosting": (
        _gradient_boosting,
        _TREE_START
        | {"n_estimators": 150, "learning_rate": 0.1, "max_depth": 6, "max_features": 0.05}
        | {"min_samples_leaf": 1, "subsample": 0.7},
    ),
    "extra_trees": (_extra_trees, _FOREST_START),
    "knn": (_knn, {"k": 20, "sharpness": 8.0}),
}
"""name -> its search space and the setting that its search starts from."""
