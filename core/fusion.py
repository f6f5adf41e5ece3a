"""Log-linear pooling of experts: log p(y|x) = sum_e a_e log p_e(y|x) - log Z(x), with a_e >= 0.

The coefficients are those that minimise the negative log-likelihood of held-out labels: a convex problem, so the answer
does not depend on a start. Weight and temperature are two readings of the same numbers: a_e = w_e / T with sum_e w_e = 1.
Source: Heskes, "Selecting weighting factors in logarithmic opinion pools", 1998; temperature as in Guo et al., 2017.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import FitError
from core.triage import LogProbs

RIDGE = 1e-3


@dataclass(frozen=True, slots=True)
class FieldFusion:
    """How one field's opinions are pooled: `weights` by expert (they sum to 1; 0 = not heard) and `temperature` (> 0)."""

    weights: Mapping[str, float]
    temperature: float

    def fuse(self, opinions: Mapping[str, LogProbs]) -> LogProbs:
        """Pool opinions of shape (tickets, labels) into calibrated log-probabilities of the same shape.

        Raises:
            FitError: an expert that has weight gave no opinion; silence is not taken for agreement.
        """
        heard = {name: weight for name, weight in self.weights.items() if weight > 0.0}
        if missing := sorted(heard.keys() - opinions.keys()):
            raise FitError(f"No opinion from {', '.join(missing)}, which the fit relies on.", remedy="Run `python -m batch fit`.")
        if not heard:
            return uniform_like(next(iter(opinions.values())))
        pooled = np.sum([weight * opinions[name] for name, weight in heard.items()], axis=0)
        return normalise(pooled / self.temperature)


def normalise(scores: NDArray[np.float64]) -> LogProbs:
    """Log-softmax over the last axis."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    normal: LogProbs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return normal


def uniform_like(opinion: LogProbs) -> LogProbs:
    """The opinion of someone who knows nothing."""
    return np.full_like(opinion, -np.log(opinion.shape[-1]))


def fit_fusion(opinions: Mapping[str, LogProbs], gold: NDArray[np.intp]) -> FieldFusion:
    """Fit weights and temperature on held-out opinions (tickets, labels) and gold label indices (tickets,).

    A small ridge towards the equal pool keeps the answer finite where the opinions separate the gold perfectly.
    """
    from scipy.optimize import minimize

    if not opinions or not len(gold):
        raise FitError("There is nothing to fit the fusion on.", remedy="Ingest tickets that carry labels of this field.")
    names = list(opinions)
    stack = np.stack([opinions[name] for name in names])
    start = np.full(len(names), 1.0 / len(names))
    rows = np.arange(len(gold))

    def loss(a: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        log_p = normalise(np.tensordot(a, stack, axes=1))
        expected = (np.exp(log_p) * stack).sum(axis=2)
        gradient = (expected - stack[:, rows, gold]).mean(axis=1) + 2 * RIDGE * (a - start)
        return float(-log_p[rows, gold].mean() + RIDGE * ((a - start) ** 2).sum()), gradient

    result = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(names))
    total = float(result.x.sum())
    if total <= 0.0:
        return FieldFusion(dict.fromkeys(names, 0.0), 1.0)
    return FieldFusion({name: float(a) / total for name, a in zip(names, result.x, strict=True)}, 1.0 / total)
