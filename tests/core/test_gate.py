"""Thresholds that hold their target, and every reason why a field is not written."""

import numpy as np
import pytest
from numpy.typing import NDArray

from core.gate import NEVER, Threshold, decide_modes, fit_threshold, why_held
from core.metrics import clopper_pearson_lower
from core.taxonomy import Mode
from core.triage import Proposal, Verdict
from core.words import say
from tests.core.core_examples import proposal, small_taxonomy, verdict

TARGET = 0.9
HOLDS = Threshold(0.7, TARGET, 500, 0.95, 0.92, 0.6)


def threshold_of(confidence: NDArray[np.float64], right: NDArray[np.bool_], target: float = TARGET) -> Threshold:
    return fit_threshold(confidence, right, np.full(len(confidence), "x"), target)


# --- fitting ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("power", [1.0, 2.0], ids=["calibrated", "overconfident"])
def test_the_threshold_holds_its_target_on_new_tickets(power: float) -> None:
    """P(right) = confidence ** power. The bound holds for each cut with 95 %; that the last good cut is taken costs a little."""
    rng = np.random.default_rng(0)
    curve = -np.sort(-rng.beta(5, 1.2, 200_000))
    precision = np.cumsum(curve**power) / np.arange(1, len(curve) + 1)
    held, shortfalls = 0, []
    for _ in range(250):
        confidence = rng.beta(5, 1.2, 800)
        fitted = threshold_of(confidence, rng.random(800) < confidence**power)
        if fitted.holds:
            held += 1
            accepted = int(np.searchsorted(-curve, -fitted.value, side="right"))
            shortfalls.append(TARGET - float(precision[accepted - 1]))
    missed = np.maximum(shortfalls, 0.0)
    assert held > 200
    assert (missed > 0).mean() < 0.09
    assert missed.max() < 0.03


def test_the_threshold_is_the_lowest_whose_bound_holds() -> None:
    rng = np.random.default_rng(1)
    confidence = np.round(rng.beta(4, 1.2, 600), 2)
    right = rng.random(600) < confidence
    fitted = threshold_of(confidence, right)

    def bound(value: float) -> float:
        accepted = confidence >= value
        return float(clopper_pearson_lower(np.array(right[accepted].sum()), np.array(accepted.sum())))

    accepted = confidence >= fitted.value
    assert accepted.sum() >= 30
    assert fitted.lower == pytest.approx(bound(fitted.value))
    assert fitted.lower >= TARGET
    assert fitted.precision == pytest.approx(right[accepted].mean())
    assert fitted.coverage == pytest.approx(accepted.mean())
    assert all(bound(value) < TARGET for value in np.unique(confidence[confidence < fitted.value]))


def test_tied_confidences_are_accepted_together() -> None:
    confidence = np.repeat([0.9, 0.5], [100, 100])
    right = np.repeat([True, False], [150, 50])
    fitted = threshold_of(confidence, right)
    assert fitted.value == 0.9
    assert fitted.coverage == 0.5


def test_all_right_accepts_all() -> None:
    fitted = threshold_of(np.linspace(0.2, 1.0, 60), np.ones(60, dtype=bool), 0.95)
    assert fitted.value == pytest.approx(0.2)
    assert fitted.coverage == 1.0
    assert fitted.lower == pytest.approx(0.05 ** (1 / 60))


def test_a_good_target_on_too_few_tickets_never_holds() -> None:
    fitted = threshold_of(np.full(29, 0.99), np.ones(29, dtype=bool), 0.5)
    assert not fitted.holds
    assert fitted.value == NEVER > 1.0


@pytest.mark.parametrize(("n", "target", "enough"), [(20, 0.9, 30), (20, 0.95, 59), (50, 0.95, 59)])
def test_too_little_data_names_what_is_lacking(n: int, target: float, enough: int) -> None:
    fitted = threshold_of(np.linspace(0.6, 0.99, n), np.ones(n, dtype=bool), target)
    assert not fitted.holds
    assert fitted.needed is not None
    assert 0 <= fitted.needed - (enough - n) <= 4
    more = n + fitted.needed
    assert threshold_of(np.linspace(0.6, 0.99, more), np.ones(more, dtype=bool), target).holds


def test_what_is_lacking_is_about_enough_where_some_are_wrong() -> None:
    rng = np.random.default_rng(5)

    def drawn(n: int) -> Threshold:
        confidence = rng.beta(5, 1.2, n)
        return threshold_of(confidence, rng.random(n) < confidence)

    lacking = [fitted.needed for fitted in (drawn(120) for _ in range(120)) if fitted.needed]
    held = [drawn(120 + needed).holds for needed in lacking]
    assert len(held) > 50
    assert 0.4 < np.mean(held) < 0.95


def test_ties_are_no_place_for_a_cut() -> None:
    right = np.append(np.ones(90, dtype=bool), np.zeros(30, dtype=bool))
    first, last = (threshold_of(np.full(120, 0.8), order) for order in (right, right[::-1]))
    assert first == last
    assert first.needed is None


def test_no_data_at_all_needs_what_perfection_would_need() -> None:
    fitted = threshold_of(np.empty(0), np.empty(0, dtype=bool), 0.95)
    assert not fitted.holds
    assert fitted.needed is not None
    assert 59 <= fitted.needed <= 63


def test_more_data_alone_does_not_help_where_precision_is_under_the_target() -> None:
    rng = np.random.default_rng(2)
    fitted = fit_threshold(rng.random(400), rng.random(400) < 0.4, np.array(["a", "b"])[rng.integers(0, 2, 400)], 0.95)
    assert not fitted.holds
    assert fitted.needed is None


def test_the_label_with_most_errors_is_named() -> None:
    predicted = np.array(["good"] * 30 + ["bad"] * 10)
    fitted = fit_threshold(np.linspace(0.99, 0.5, 40), predicted == "good", predicted, 0.95)
    assert fitted.weakest == "bad"
    assert threshold_of(np.full(10, 0.9), np.ones(10, dtype=bool)).weakest == ""


def test_the_order_of_the_tickets_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    confidence = rng.beta(5, 1, 300)
    right = rng.random(300) < confidence
    order = rng.permutation(300)
    assert threshold_of(confidence, right) == threshold_of(confidence[order], right[order])


# --- deciding -----------------------------------------------------------------------------------------------------------


def decided(given: Proposal, said: Verdict, thresholds: dict[str, Threshold]) -> tuple[Mode, list[str]]:
    taxonomy = small_taxonomy()
    decided_modes = decide_modes({given.field: given}, said, taxonomy, thresholds)
    reasons = why_held(decided_modes, said, taxonomy, thresholds)
    assert all(say(reason, language) for reason in reasons for language in ("es", "en"))
    return decided_modes[given.field].mode, [reason.code for reason in reasons]


def test_a_sure_supported_undoubted_proposal_is_written() -> None:
    assert decided(proposal("category", "Red", 0.7), verdict(), {"category": HOLDS}) == (Mode.AUTOFILL, [])


@pytest.mark.parametrize(
    ("given", "said", "thresholds", "why"),
    [
        (proposal("group", "Telecom", 0.99), verdict(), {"group": HOLDS}, "suggest_only"),
        (proposal("category", "Red", 0.99), verdict(), {}, "no_threshold"),
        (proposal("category", "Red", 0.99), verdict(), {"category": Threshold(NEVER, TARGET, 10)}, "no_threshold"),
        (proposal("category", "Red", 0.6999), verdict(), {"category": HOLDS}, "under_threshold"),
        (proposal("category", "Red", float("nan")), verdict(), {"category": HOLDS}, "under_threshold"),
        (proposal("category", "Red", 0.99), verdict(), {"category": Threshold(float("nan"), TARGET, 99)}, "no_threshold"),
        (proposal("category", "Red", 0.99, ()), verdict(), {"category": HOLDS}, "unsupported"),
        (proposal("category", "Red", 0.99), verdict(90.0, "category"), {"category": HOLDS}, "doubted"),
    ],
    ids=["taxonomy", "no fit", "never", "under", "nan confidence", "nan threshold", "no exemplar", "doubt"],
)
def test_every_reason_why_a_field_is_only_suggested(
    given: Proposal, said: Verdict, thresholds: dict[str, Threshold], why: str
) -> None:
    assert decided(given, said, thresholds) == (Mode.SUGGEST, [why])


def test_a_doubt_about_another_field_does_not_hold_this_one() -> None:
    assert decided(proposal("category", "Red", 0.9), verdict(90.0, "group"), {"category": HOLDS}) == (Mode.AUTOFILL, [])


def test_shadow_fields_stay_in_the_shadow_without_a_word() -> None:
    assert decided(proposal("urgency", "Alta", 0.99), verdict(), {"urgency": HOLDS}) == (Mode.SHADOW, [])


@pytest.mark.parametrize("confidence", [float("nan"), -1.0, 0.0, 0.5, float("-inf")])
def test_a_confidence_that_does_not_reach_the_threshold_is_never_written(confidence: float) -> None:
    for value in (0.51, 1.0, NEVER, float("nan"), float("inf")):
        thresholds = {"category": Threshold(value, TARGET, 100)}
        assert decided(proposal("category", "Red", confidence), verdict(), thresholds)[0] is Mode.SUGGEST
