"""Figures of merit against scikit-learn, scipy and values worked out by hand."""

import math

import numpy as np
import pytest
from scipy.stats import binom, binomtest
from sklearn.metrics import f1_score, roc_auc_score

from core.metrics import (
    area_under_risk_coverage,
    auroc,
    auroc_interval,
    clopper_pearson_lower,
    errors_caught,
    exceeds_standard_error,
    expected_calibration_error,
    macro_f1,
    mcnemar_p,
    risk_coverage,
    wilson_interval,
)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 10), (10, 10), (830, 1000)])
def test_wilson_by_its_formula(k: int, n: int) -> None:
    z, p = 1.959963984540054, k / n
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    expected = tuple(min(1.0, max(0.0, (centre + sign * half) / (1 + z * z / n))) for sign in (-1, 1))
    assert wilson_interval(k, n) == pytest.approx(expected, abs=1e-9)


def test_wilson_of_nothing_is_everything() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_clopper_pearson_against_scipy_and_its_definition() -> None:
    k, n = np.array([0, 1, 5, 29, 30, 95, 100]), np.array([10, 10, 10, 30, 30, 100, 100])
    bound = clopper_pearson_lower(k, n)
    scipy_bound = [
        binomtest(int(a), int(b), alternative="greater").proportion_ci(0.95, "exact").low for a, b in zip(k, n, strict=True)
    ]
    np.testing.assert_allclose(bound, scipy_bound, atol=1e-9)
    assert bound[0] == 0.0
    assert bound[4] == pytest.approx(0.05 ** (1 / 30))
    np.testing.assert_allclose(binom.sf(k[1:] - 1, n[1:], bound[1:]), 0.05, atol=1e-9)
    np.testing.assert_allclose(clopper_pearson_lower(k, n, 0.01) <= bound, True)


def test_clopper_pearson_covers() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.binomial(80, 0.93, 5_000)
    assert (clopper_pearson_lower(drawn, np.full(5_000, 80)) > 0.93).mean() <= 0.055


def test_macro_f1_against_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    names = np.array(["a", "b", "c", "d"])
    gold, predicted = names[rng.integers(0, 3, 200)].tolist(), names[rng.integers(0, 4, 200)].tolist()
    assert macro_f1(gold, predicted) == pytest.approx(f1_score(gold, predicted, average="macro"))


def test_macro_f1_by_hand() -> None:
    # a: 1 hit of 2 gold and 1 predicted = 2/3; b: 1 hit of 1 and 2 = 2/3; c is never predicted
    assert macro_f1(["a", "a", "b", "c"], ["a", "b", "b", "d"]) == pytest.approx((2 / 3 + 2 / 3 + 0 + 0) / 4)
    assert macro_f1([], []) == 0.0


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.1, 0.15, 0.9, 0.95, 1.0])
    correct = np.array([False, True, True, True, False])
    # ten bins: [.1, .2): |.5 - .125| * 2/5; [.9, 1]: |2/3 - .95| * 3/5
    assert expected_calibration_error(confidence, correct, bins=10) == pytest.approx(0.375 * 0.4 + (0.95 - 2 / 3) * 0.6)


def test_a_calibrated_confidence_has_next_to_no_error() -> None:
    rng = np.random.default_rng(2)
    confidence = rng.random(50_000)
    assert expected_calibration_error(confidence, rng.random(50_000) < confidence) < 0.01
    assert expected_calibration_error(confidence, rng.random(50_000) < confidence**3) > 0.2
    assert expected_calibration_error(np.ones(4), np.array([True, True, True, False])) == pytest.approx(0.25)


def test_risk_and_coverage_by_hand() -> None:
    coverage, risk = risk_coverage(np.array([0.2, 0.9, 0.5, 0.7]), np.array([False, True, True, False]))
    np.testing.assert_allclose(coverage, [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(risk, [0.0, 1 / 2, 1 / 3, 1 / 2])
    area = area_under_risk_coverage(np.array([0.2, 0.9, 0.5, 0.7]), np.array([False, True, True, False]))
    assert area == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)


def test_a_better_ranking_has_a_smaller_area() -> None:
    correct = np.arange(100) < 80
    good, bad = np.linspace(1, 0, 100), np.linspace(0, 1, 100)
    assert area_under_risk_coverage(good, correct) < 0.03 < 0.3 < area_under_risk_coverage(bad, correct)


def test_auroc_against_scikit_learn_with_ties() -> None:
    rng = np.random.default_rng(3)
    score, positive = np.round(rng.random(300), 1), rng.random(300) < 0.3
    assert auroc(score, positive) == pytest.approx(roc_auc_score(positive, score))
    assert auroc(np.ones(4), np.array([True, False, True, False])) == 0.5
    assert math.isnan(auroc(np.ones(3), np.ones(3, dtype=bool)))


def test_errors_caught_by_hand() -> None:
    score = np.array([0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.4, 0.6, 0.5, 0.95])
    correct = np.array([False, True, True, True, False, True, True, True, True, False])
    assert errors_caught(score, correct, 0.1) == pytest.approx(1 / 3)
    assert errors_caught(score, correct, 0.3) == pytest.approx(2 / 3)
    assert errors_caught(score, correct, 1.0) == 1.0
    assert errors_caught(score, correct, 0.0) == 0.0
    assert math.isnan(errors_caught(score, np.ones(10, dtype=bool), 0.1))


def test_mcnemar_by_hand() -> None:
    ours = np.array([True] * 9 + [False] * 1 + [True] * 50)
    theirs = np.array([False] * 9 + [True] * 1 + [True] * 50)
    # ten discordant pairs, nine one way: two tails of B(10, 1/2)
    assert mcnemar_p(ours, theirs) == pytest.approx(2 * (10 + 1) / 2**10)
    assert mcnemar_p(theirs, ours) == mcnemar_p(ours, theirs)
    assert mcnemar_p(ours, ours) == 1.0


def test_the_interval_of_an_auroc_is_hanley_and_mcneils() -> None:
    low, high = auroc_interval(0.893, 51, 58)  # their example: a standard error of .032
    assert (high - low) / 2 / 1.96 == pytest.approx(0.032, abs=0.001)
    assert all(math.isnan(bound) for bound in auroc_interval(0.5, 0, 9))


@pytest.mark.parametrize(
    ("gains", "exceeds"),
    # mean .5 with standard errors of .5, .29 and 1.5; gains without spread; too few to tell
    [
        ([0.0, 1.0], False),
        ([0.0, 1.0, 0.0, 1.0], True),
        ([-1.0, 2.0], False),
        ([1.0, 1.0], True),
        ([0.0, 0.0], False),
        ([1.0], False),
        ([], False),
    ],
)
def test_a_gain_counts_from_one_standard_error_on(gains: list[float], exceeds: bool) -> None:
    assert exceeds_standard_error(np.array(gains)) == exceeds
