"""Figures of merit, each with its definition. All take plain arrays; none knows a model."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def wilson_interval(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson, 1927); (0, 1) where n is 0."""
    if n == 0:
        return 0.0, 1.0
    from scipy.stats import binomtest

    interval = binomtest(successes, n).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)


def wilson_lower(successes: int, n: int, z: float = 1.96) -> float:
    """The lower end of `wilson_interval` in closed form, for many proportions; 0 where n is 0. `z`: 1.96 for a level of 0.95."""
    if n == 0:
        return 0.0
    share, spread = successes / n, z * z / n
    half = z * math.sqrt((share * (1 - share) + spread / 4) / n)
    return max(0.0, (share + spread / 2 - half) / (1 + spread))


def clopper_pearson_lower(successes: NDArray[np.intp], n: NDArray[np.intp], alpha: float = 0.05) -> Floats:
    """One-sided lower bound of a proportion that holds with probability 1 - alpha (Clopper & Pearson, 1934), elementwise."""
    from scipy.special import betaincinv

    k = np.asarray(successes, dtype=float)
    bound = betaincinv(np.maximum(k, 1e-12), np.asarray(n) - k + 1.0, alpha)
    return np.where(k > 0, bound, 0.0)


def macro_f1(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """Mean F1 over the labels that occur in gold or prediction; "" stands for no prediction and is no label."""
    gold_array, predicted_array = np.asarray(gold), np.asarray(predicted)
    scores = []
    for label in sorted({*gold, *predicted} - {""}):
        hit = int(((gold_array == label) & (predicted_array == label)).sum())
        total = int((gold_array == label).sum()) + int((predicted_array == label).sum())
        scores.append(2.0 * hit / total)
    return float(np.mean(scores)) if scores else 0.0


def expected_calibration_error(confidence: Floats, correct: Bools, bins: int = 15) -> float:
    """ECE with equal-width bins (Naeini et al., 2015): the mean gap between confidence and accuracy, weighted by bin size."""
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(float(correct[index == b].mean()) - float(confidence[index == b].mean())) * float((index == b).mean())
        for b in np.unique(index)
    ]
    return float(sum(gaps))


def risk_coverage(confidence: Floats, correct: Bools) -> tuple[Floats, Floats]:
    """Coverage and risk (wrong / accepted) when the i most confident are accepted, i = 1..n. Both of shape (n,)."""
    order = np.argsort(-confidence, kind="stable")
    accepted = np.arange(1, len(order) + 1)
    return accepted / len(order), np.cumsum(~correct[order]) / accepted


def area_under_risk_coverage(confidence: Floats, correct: Bools) -> float:
    """AURC (Geifman & El-Yaniv, 2017): the mean risk over all coverages; lower is better."""
    return float(risk_coverage(confidence, correct)[1].mean())


def auroc(score: Floats, positive: Bools) -> float:
    """Probability that a positive scores above a negative, ties counting half; nan where one kind is missing."""
    from scipy.stats import rankdata

    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        return float("nan")
    ranks = rankdata(score)[positive].sum()
    return float((ranks - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def auroc_interval(area: float, positives: int, negatives: int, z: float = 1.96) -> tuple[float, float]:
    """The normal interval of an AUROC with the standard error of Hanley and McNeil, "The meaning and use of the area under a ROC
    curve", 1982; (nan, nan) where there is only one kind."""
    if not positives or not negatives:
        return float("nan"), float("nan")
    both_positive, both_negative = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (positives - 1) * (both_positive - area**2) + (negatives - 1) * (both_negative - area**2)
    half = z * (spread / (positives * negatives)) ** 0.5
    return max(0.0, area - half), min(1.0, area + half)


def errors_caught(score: Floats, correct: Bools, share: float) -> float:
    """The share of all errors that lie among the `share` lowest scores; nan where there is no error."""
    errors = int((~correct).sum())
    if not errors:
        return float("nan")
    reviewed = np.argsort(score, kind="stable")[: round(share * len(score))]
    return float((~correct[reviewed]).sum()) / errors


def exceeds_standard_error(gains: Floats) -> bool:
    """Whether the mean of paired gains (n,) is more than one standard error over 0 (the rule of Breiman et al., 1984)."""
    return len(gains) > 1 and bool(gains.mean() > gains.std(ddof=1) / len(gains) ** 0.5)


def mcnemar_p(ours: Bools, theirs: Bools) -> float:
    """Exact two-sided McNemar test on paired correctness: the binomial probability of the discordant pairs."""
    from scipy.stats import binomtest

    only_ours, only_theirs = int((ours & ~theirs).sum()), int((~ours & theirs).sum())
    discordant = only_ours + only_theirs
    return float(binomtest(only_ours, discordant).pvalue) if discordant else 1.0
