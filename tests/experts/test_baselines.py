"""The baselines are tuned on the knowledge base alone, give one label per ticket and say what is missing."""

import sys
import warnings
from collections.abc import Callable, Collection, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from core.errors import InputError
from experts import baselines
from experts.baseline_models import MODELS, Setting, Tfidf
from experts.baselines import NAMES, BaselineResult, Data, run_baselines

pytest.importorskip("optuna")
pytest.importorskip("xgboost")
pytest.importorskip("lightgbm")

WORDS = {
    "network": ["vpn", "wifi", "router", "cable", "latency", "conexión"],
    "payroll": ["salary", "payslip", "nómina", "bonus", "overtime", "tax"],
    "printer": ["toner", "paper", "jam", "tray", "impresora", "ink"],
}
FILLER = ["please", "help", "today", "office", "urgent", "monday", "again", "user"]


def _tickets(labels: Sequence[str], seed: int) -> tuple[list[str], NDArray[np.float32]]:
    """Texts of a few telling words among filler, and unit vectors near their label's axis."""
    rng = np.random.default_rng(seed)
    kinds = sorted(WORDS)
    texts = [" ".join([*rng.choice(WORDS.get(label, FILLER), 2), *rng.choice(FILLER, 4)]) for label in labels]
    axes = np.array([np.eye(8)[kinds.index(label) if label in kinds else 7] for label in labels])
    vectors = axes + rng.normal(0, 0.1, axes.shape)
    return texts, (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


LABELS = ["network", "payroll", "printer", "printer"] * 24 + ["only once"]
TEXTS, VECTORS = _tickets(LABELS, seed=1)
TEST_LABELS = ["network", "payroll", "printer"] * 6
TEST_TEXTS, TEST_VECTORS = _tickets(TEST_LABELS, seed=2)
FOLDS = np.arange(len(LABELS)) % 3


def _run(
    names: Collection[str] | None,
    *,
    trials: int = 2,
    test_texts: Sequence[str] = TEST_TEXTS,
    labels: Sequence[str] = LABELS,
    folds: NDArray[np.intp] = FOLDS,
    progress: Callable[[str], None] | None = None,
) -> list[BaselineResult]:
    return run_baselines(
        TEXTS,
        labels,
        test_texts,
        vectors=VECTORS,
        test_vectors=TEST_VECTORS[: len(test_texts)],
        folds=folds,
        trials=trials,
        progress=progress,
        names=names,
    )


@pytest.fixture(scope="module")
def everything() -> dict[str, BaselineResult]:
    """All baselines, with a label that only one ticket has; any warning fails."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return {result.name: result for result in _run(None)}


def test_every_baseline_answers_in_the_documented_order(everything: dict[str, BaselineResult]) -> None:
    assert tuple(everything) == NAMES
    assert all(len(result.predictions) == len(TEST_TEXTS) for result in everything.values())


@pytest.mark.parametrize("name", MODELS)
def test_learns_what_is_plain(everything: dict[str, BaselineResult], name: str) -> None:
    result = everything[name]
    right = np.mean([ours == gold for ours, gold in zip(result.predictions, TEST_LABELS, strict=True)])
    assert right >= 0.75
    assert result.tuning_accuracy >= 0.7
    assert set(result.params) == set(MODELS[name][1])
    assert all(type(label) is str for label in result.predictions)


def test_majority_is_the_commonest_label(everything: dict[str, BaselineResult]) -> None:
    assert set(everything["majority"].predictions) == {"printer"}
    assert everything["majority"].tuning_accuracy == pytest.approx(48 / 97)


def test_same_seed_same_result(everything: dict[str, BaselineResult]) -> None:
    for result in _run(["svm", "xgboost", "lightgbm"]):
        first = everything[result.name]
        assert (result.predictions, result.params) == (first.predictions, first.params)
        assert result.tuning_accuracy == first.tuning_accuracy


def test_test_tickets_have_no_say_in_the_tuning(everything: dict[str, BaselineResult]) -> None:
    for result in _run(["svm", "knn"], test_texts=["quite other words", "toner jam"]):
        first = everything[result.name]
        assert (result.params, result.tuning_accuracy) == (first.params, first.tuning_accuracy)
        assert len(result.predictions) == 2


def test_search_starts_from_the_known_setting() -> None:
    (result,) = _run(["svm"], trials=1)
    assert result.params == MODELS["svm"][1]


def test_features_are_those_of_a_vectorizer_fitted_on_the_training_rows() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    data = Data(TEXTS, LABELS, TEST_TEXTS, VECTORS, TEST_VECTORS)
    train = data.known[FOLDS != 0]
    x, asked = data.features(Tfidf(words=2, chars=0, min_df=2, sublinear=True), train, data.test)
    exact = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, strip_accents="unicode")
    expected = exact.fit_transform([TEXTS[row] for row in train]).toarray()
    np.testing.assert_allclose(x.toarray(), expected, rtol=1e-5)
    np.testing.assert_allclose(asked.toarray(), exact.transform(TEST_TEXTS).toarray(), rtol=1e-5)


def test_chi_squared_keeps_so_many_terms_and_learns_them_from_the_training_rows() -> None:
    data = Data(TEXTS, LABELS, TEST_TEXTS, VECTORS, TEST_VECTORS)
    x, asked = data.features(Tfidf(words=1, chars=4, min_df=1, sublinear=True, best=9), data.known, data.test)
    assert x.shape == (len(TEXTS), 9)
    assert asked.shape == (len(TEST_TEXTS), 9)


def test_a_large_knowledge_base_is_tuned_on_a_part_and_refitted_on_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "TUNE_ON", 24)
    asked: list[int] = []
    fit = baselines.predict

    def counted(data: Data, setting: Setting, train: NDArray[np.intp], rows: NDArray[np.intp]) -> NDArray[np.str_]:
        asked.append(len(train))
        return fit(data, setting, train, rows)

    monkeypatch.setattr(baselines, "predict", counted)
    _run(["svm"], trials=1)
    assert max(asked[:-1]) < 24
    assert asked[-1] == len(TEXTS)


@pytest.mark.parametrize("texts", [[""] * 6, ["!!", "??", "..", ",,", ";;", "::"]])
def test_tickets_without_a_word_get_the_commonest_label(texts: list[str]) -> None:
    vectors = np.eye(6, dtype=np.float32)
    results = run_baselines(
        texts,
        ["a", "a", "a", "a", "b", "b"],
        ["hello there"],
        vectors=vectors,
        test_vectors=vectors[:1],
        folds=np.arange(6) % 2,
        trials=1,
        names=["svm"],
    )
    assert results[0].predictions == ["a"]


def test_one_label_in_the_whole_knowledge_base() -> None:
    results = run_baselines(
        TEXTS[:6],
        ["a"] * 6,
        TEST_TEXTS,
        vectors=VECTORS[:6],
        test_vectors=TEST_VECTORS,
        folds=FOLDS[:6],
        trials=1,
    )
    assert {label for result in results for label in result.predictions} == {"a"}


def test_progress_names_the_model_and_the_trial() -> None:
    told: list[str] = []
    _run(["knn"], progress=told.append)
    assert told[0].startswith("knn: trial 1 of 2")
    assert len(told) == 2


def test_an_error_in_one_search_ends_the_others() -> None:
    told: list[str] = []

    def refuse(line: str) -> None:
        told.append(line)
        raise KeyError(line)

    with pytest.raises(KeyError):
        _run(["svm", "knn"], trials=1000, progress=refuse)
    assert len(told) <= 2


@pytest.mark.parametrize("package", ["optuna", "xgboost", "lightgbm"])
def test_a_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=package) as caught:
        _run(None)
    assert 'pip install "tamiz[baselines]"' in caught.value.remedy


def test_majority_needs_no_optional_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("optuna", "xgboost", "lightgbm"):
        monkeypatch.setitem(sys.modules, package, None)
    assert [result.name for result in _run(["majority"])] == ["majority"]


def test_what_cannot_be_tuned_is_refused() -> None:
    with pytest.raises(InputError, match="no baseline forest"):
        _run(["forest"])
    with pytest.raises(InputError, match="0 trials"):
        _run(["svm"], trials=0)
    with pytest.raises(InputError, match="fewer than two folds"):
        _run(["svm"], folds=np.zeros(len(TEXTS), dtype=np.intp))
    with pytest.raises(InputError, match="differ in number"):
        _run(["svm"], labels=LABELS[1:])
