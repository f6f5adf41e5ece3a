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

import time
import warnings
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cache
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.ticket import Vectors
from experts.baseline_models import MODELS, Matrix, Rows, RunningTrial, Setting, Space, Tfidf, required

JOBS = 2
"""Models worked on at once, one thread each: where cores are shared, threads within a model spend their time waiting."""
TUNE_ON = 6_000
"""At most so many tickets of the knowledge base are used for tuning."""
MAJORITY = "majority"
NAMES: Sequence[str] = (*MODELS, MAJORITY)


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
    tfidf, make = setting
    classes, y = np.unique(data.labels[train], return_inverse=True)
    x, x_asked = data.features(tfidf, train, asked)
    if len(classes) == 1 or not x.shape[1] or not len(asked):
        return np.full(len(asked), classes[np.bincount(y).argmax()])
    model = make()
    model.fit(x, y)
    return np.asarray(classes[model.predict(x_asked)])


def _majority(data: Data) -> BaselineResult:
    """The commonest label for every test ticket."""
    labels, counts = np.unique(data.labels, return_counts=True)
    label, share = str(labels[counts.argmax()]), float(counts.max() / counts.sum())
    return BaselineResult(MAJORITY, [label] * len(data.test), {}, share, 0.0)


@dataclass(frozen=True, slots=True)
class _Search:
    """What the searches of one call share; once `stopped` is set they end at their next trial."""

    data: Data
    folds: Rows
    trials: int
    seed: int
    progress: Callable[[str], None]
    stopped: Event = field(default_factory=Event)

    def run(self, name: str) -> BaselineResult:
        """Tune, refit and predict one baseline."""
        start, data = time.perf_counter(), self.data
        if name == MAJORITY:
            return _majority(data)
        params, accuracy = self._tune(name)
        setting = MODELS[name][0](required("optuna").trial.FixedTrial(params), self.seed)
        predictions = [str(label) for label in predict(data, setting, data.known, data.test)]
        return BaselineResult(name, predictions, params, accuracy, time.perf_counter() - start)

    def _tune(self, name: str) -> tuple[dict[str, Any], float]:
        """The best parameters found and their cross-validated accuracy."""
        optuna = required("optuna")
        space, start = MODELS[name]
        study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=self.seed),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
        )
        study.enqueue_trial(dict(start))
        rows = self._tuning_rows()
        study.optimize(lambda trial: self._accuracy(name, space, trial, rows), n_trials=self.trials)
        return dict(study.best_params), float(study.best_value)

    def _tuning_rows(self) -> Rows:
        """All tickets of the knowledge base, or `TUNE_ON` of them drawn at random."""
        known = self.data.known
        if len(known) <= TUNE_ON:
            return known
        return np.sort(np.random.default_rng(self.seed).choice(known, TUNE_ON, replace=False))

    def _accuracy(self, name: str, space: Space, trial: RunningTrial, rows: Rows) -> float:
        """The share of `rows` labelled right, each by a model fitted on the other folds."""
        setting, right, seen = space(trial, self.seed), 0, 0
        for step, fold in enumerate(np.unique(self.folds[rows])):
            if self.stopped.is_set():
                raise CancelledError
            asked, train = rows[self.folds[rows] == fold], rows[self.folds[rows] != fold]
            right += int((predict(self.data, setting, train, asked) == self.data.labels[asked]).sum())
            seen += len(asked)
            trial.report(right / seen, step)
            if trial.should_prune():
                self.progress(f"{name}: trial {trial.number + 1} of {self.trials} cut short")
                raise required("optuna").TrialPruned
        self.progress(f"{name}: trial {trial.number + 1} of {self.trials}, accuracy {right / seen:.3f}")
        return right / seen


def run_baselines(
    texts: Sequence[str],
    labels: Sequence[str],
    test_texts: Sequence[str],
    *,
    vectors: Vectors,
    test_vectors: Vectors,
    folds: NDArray[np.intp],
    trials: int,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
    names: Collection[str] | None = None,
) -> list[BaselineResult]:
    """Tune the baselines on the knowledge base and label the test tickets with each.

    Args:
        texts, labels: the n tickets of the knowledge base. `test_texts`: the m tickets to label.
        vectors, test_vectors: their unit embeddings, shapes (n, d) and (m, d), for the nearest neighbours.
        folds: fold number of each ticket of the knowledge base, shape (n,); near-duplicates should share a fold.
        trials: settings tried per model. `seed`: the same seed gives the same result.
        progress: told a line after each trial, from a worker thread. `names`: some of `NAMES`, or all of them.

    Raises:
        InputError: an unknown name, arrays that do not match, fewer than two folds, or a package that is not installed.
    """
    _check_names(names)
    _check_sizes(len(texts), len(labels), len(vectors), len(folds))
    _check_sizes(len(test_texts), len(test_vectors))
    _check_search(folds, trials)
    chosen = [name for name in NAMES if names is None or name in names]
    _check_packages(chosen)
    data = Data(texts, labels, test_texts, vectors, test_vectors)
    return _in_parallel(_Search(data, np.asarray(folds), trials, seed, progress or (lambda line: None)), chosen)


def _in_parallel(search: _Search, names: Sequence[str]) -> list[BaselineResult]:
    """The results in the order of `names`; the first error, or an interrupt, stops the searches that still run."""
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    # BLAS threads that wait for one another made logistic regression twenty times slower on a busy machine.
    with warnings.catch_warnings(), threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(JOBS) as pool:
        warnings.simplefilter("ignore", ConvergenceWarning)
        jobs = [pool.submit(search.run, name) for name in names]
        try:
            done, _ = wait(jobs, return_when=FIRST_EXCEPTION)
            ended = {job: job.result() for job in done}  # raises what ended the first one, before others are told to stop
            return [ended[job] for job in jobs]
        finally:
            search.stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)


def _check_names(names: Collection[str] | None) -> None:
    unknown = sorted(set(names or ()) - set(NAMES))
    if unknown:
        raise InputError(f"There is no baseline {', '.join(unknown)}.", remedy=f"Choose among {', '.join(NAMES)}.")


def _check_sizes(first: int, *others: int) -> None:
    if any(other != first for other in others):
        raise InputError(
            f"Texts, labels, vectors and folds differ in number: {', '.join(map(str, (first, *others)))}.",
            remedy="Give one of each per ticket.",
        )


def _check_search(folds: NDArray[np.intp], trials: int) -> None:
    if trials < 1:
        raise InputError(f"The baselines can't be tuned with {trials} trials.", remedy="Ask for at least one trial.")
    if len(np.unique(folds)) < 2:
        raise InputError(
            "The baselines are tuned by cross-validation, and the knowledge base has fewer than two folds.",
            remedy="Add tickets that are not near-duplicates of one another.",
        )


def _check_packages(names: Sequence[str]) -> None:
    """Fail before the first search, not after ten minutes of them."""
    for name in names:
        if name in ("xgboost", "lightgbm"):
            required(name)
    if set(names) - {MAJORITY}:
        optuna = required("optuna")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
