"""Pooling of experts: weights, temperature, silence, invariances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from core.errors import FitError
from core.fusion import FieldFusion, fit_fusion, normalise, uniform_like
from core.metrics import expected_calibration_error
from core.triage import LogProbs


def opinion(rng: np.random.Generator, n: int, labels: int, sharpness: float = 1.5) -> LogProbs:
    return normalise(sharpness * rng.normal(size=(n, labels)))


def drawn(rng: np.random.Generator, log_p: LogProbs) -> NDArray[np.intp]:
    """One label a row, drawn from its distribution."""
    gumbel: NDArray[np.intp] = (log_p + rng.gumbel(size=log_p.shape)).argmax(axis=1)
    return gumbel


def test_recovers_the_weights_and_temperature_that_made_the_labels() -> None:
    rng = np.random.default_rng(0)
    experts = {name: opinion(rng, 8_000, 5) for name in ("a", "b", "c")}
    truth = FieldFusion({"a": 0.6, "b": 0.3, "c": 0.1}, 0.8)
    fitted = fit_fusion(experts, drawn(rng, truth.fuse(experts)))
    assert sum(fitted.weights.values()) == pytest.approx(1.0)
    for name, weight in truth.weights.items():
        assert fitted.weights[name] == pytest.approx(weight, abs=0.03)
    assert fitted.temperature == pytest.approx(0.8, abs=0.04)


def test_noise_gets_next_to_no_weight_and_a_contrarian_none() -> None:
    rng = np.random.default_rng(1)
    good = opinion(rng, 4_000, 6, 2.0)
    gold = drawn(rng, good)
    fitted = fit_fusion({"good": good, "noise": opinion(rng, 4_000, 6, 2.0), "contrary": normalise(-good)}, gold)
    assert fitted.weights["noise"] < 0.02
    assert fitted.weights["contrary"] == 0.0
    assert fitted.weights["good"] > 0.97


def test_where_all_speak_against_the_truth_nobody_is_heard() -> None:
    rng = np.random.default_rng(2)
    good = opinion(rng, 2_000, 4, 3.0)
    wrong = {"x": normalise(-good), "y": normalise(-2 * good)}
    fitted = fit_fusion(wrong, drawn(rng, good))
    assert set(fitted.weights.values()) == {0.0}
    np.testing.assert_allclose(np.exp(fitted.fuse(wrong)), 0.25)


def test_temperature_calibrates_an_overconfident_expert() -> None:
    rng = np.random.default_rng(3)
    honest = opinion(rng, 6_000, 4)
    gold = drawn(rng, honest)
    boastful = {"boastful": normalise(3.0 * honest)}
    fitted = fit_fusion({"boastful": boastful["boastful"][:4_000]}, gold[:4_000])
    assert fitted.temperature == pytest.approx(3.0, rel=0.1)
    held = gold[4_000:]

    def ece(log_p: LogProbs) -> float:
        return expected_calibration_error(np.exp(log_p.max(axis=1)), log_p.argmax(axis=1) == held)

    before, after = boastful["boastful"][4_000:], fitted.fuse(boastful)[4_000:]
    assert ece(before) > 0.15
    assert ece(after) < 0.04
    assert (before.argmax(axis=1) == after.argmax(axis=1)).all()


def test_perfect_separation_stays_finite() -> None:
    gold = np.arange(40) % 2
    sure = normalise(np.where(gold[:, None] == np.arange(2), 5.0, -5.0))
    fitted = fit_fusion({"sure": sure, "idle": uniform_like(sure)}, gold)
    assert np.isfinite(fitted.temperature)
    assert np.isfinite(fitted.fuse({"sure": sure, "idle": uniform_like(sure)})).all()


def test_two_experts_that_complete_each_other_beat_both() -> None:
    rng = np.random.default_rng(4)
    experts = {name: opinion(rng, 4_000, 5) for name in ("a", "b")}
    gold = drawn(rng, normalise(experts["a"] + experts["b"]))
    fused = fit_fusion({k: v[:2_000] for k, v in experts.items()}, gold[:2_000]).fuse(experts)

    def accuracy(log_p: LogProbs) -> float:
        return float((log_p.argmax(axis=1) == gold)[2_000:].mean())

    assert accuracy(fused) > max(map(accuracy, experts.values())) + 0.05


def test_silence_of_an_expert_with_weight_is_an_error() -> None:
    a = opinion(np.random.default_rng(5), 3, 2)
    with pytest.raises(FitError, match=r"No opinion from b, which the fit relies on\. Run `python -m batch fit`"):
        FieldFusion({"a": 0.5, "b": 0.5}, 1.0).fuse({"a": a})
    np.testing.assert_allclose(FieldFusion({"a": 1.0, "b": 0.0}, 1.0).fuse({"a": a}), a)


def test_an_expert_without_weight_is_not_heard_whatever_it_says() -> None:
    a = opinion(np.random.default_rng(6), 3, 2)
    fused = FieldFusion({"a": 1.0, "b": 0.0}, 1.0).fuse({"a": a, "b": np.full_like(a, np.nan)})
    np.testing.assert_allclose(fused, a)


def test_nothing_to_fit_on_is_an_error() -> None:
    with pytest.raises(FitError, match="nothing to fit"):
        fit_fusion({}, np.array([0]))
    with pytest.raises(FitError, match="nothing to fit"):
        fit_fusion({"a": np.zeros((0, 3))}, np.array([], dtype=np.intp))


SCORES = hnp.arrays(np.float64, (2, 3, 4), elements=st.floats(-30, 30, allow_subnormal=False))
WEIGHT = st.floats(0.05, 0.95)
TEMPERATURE = st.floats(0.1, 10.0)


def pooled(scores: NDArray[np.float64], weight: float, temperature: float) -> LogProbs:
    experts = {"a": normalise(scores[0]), "b": normalise(scores[1])}
    return FieldFusion({"a": weight, "b": 1.0 - weight}, temperature).fuse(experts)


@given(SCORES, WEIGHT, TEMPERATURE)
def test_the_pool_is_normalised(scores: NDArray[np.float64], weight: float, temperature: float) -> None:
    fused = pooled(scores, weight, temperature)
    np.testing.assert_allclose(np.exp(fused).sum(axis=1), 1.0)
    assert (fused <= 1e-12).all()


@given(SCORES, WEIGHT, TEMPERATURE, st.permutations(range(4)), st.permutations(range(3)))
def test_the_order_of_labels_tickets_and_experts_does_not_matter(
    scores: NDArray[np.float64], weight: float, temperature: float, labels: list[int], tickets: list[int]
) -> None:
    fused = pooled(scores, weight, temperature)
    np.testing.assert_allclose(pooled(scores[:, :, labels], weight, temperature), fused[:, labels], atol=1e-9)
    np.testing.assert_allclose(pooled(scores[:, tickets], weight, temperature), fused[tickets], atol=1e-9)
    np.testing.assert_allclose(pooled(scores[::-1], 1.0 - weight, temperature), fused, atol=1e-9)


@given(SCORES, st.floats(-100, 100))
def test_normalising_forgets_a_constant_and_is_idempotent(scores: NDArray[np.float64], constant: float) -> None:
    np.testing.assert_allclose(normalise(scores + constant), normalise(scores), atol=1e-9)
    np.testing.assert_allclose(normalise(normalise(scores)), normalise(scores), atol=1e-12)


@given(SCORES, TEMPERATURE)
def test_experts_that_agree_are_quoted(scores: NDArray[np.float64], temperature: float) -> None:
    said = normalise(scores[0])
    fused = FieldFusion({"a": 0.3, "b": 0.7}, 1.0).fuse({"a": said, "b": said})
    np.testing.assert_allclose(fused, said, atol=1e-9)
    cooled = FieldFusion({"a": 1.0}, temperature).fuse({"a": said})
    np.testing.assert_allclose(cooled, normalise(said / temperature), atol=1e-9)


@settings(max_examples=15)
@given(st.integers(0, 1_000), st.permutations(range(4)))
def test_the_fit_does_not_depend_on_the_order_of_labels(seed: int, labels: list[int]) -> None:
    rng = np.random.default_rng(seed)
    experts = {name: opinion(rng, 120, 4) for name in ("a", "b")}
    gold = drawn(rng, normalise(experts["a"] + experts["b"]))
    renamed = np.argsort(labels)[gold]
    first = fit_fusion(experts, gold)
    second = fit_fusion({name: said[:, labels] for name, said in experts.items()}, renamed)
    assert second.weights == pytest.approx(dict(first.weights), abs=1e-3)
    assert second.temperature == pytest.approx(first.temperature, rel=1e-2)
