"""A language model's reviews joined to the statistical critic, where they tell something that it does not know.

Both are compared on triages made out of fold, each triage judged by models of the other folds: the statistical critic's own
probability against the same probability with the review. A field takes the review only where the log loss falls by more than
one standard error (the rule of Breiman et al., 1984); otherwise its weight is 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from core.metrics import Floats, exceeds_standard_error
from core.pipeline import Reviewer
from core.triage import LogProbs, Review, Triage
from experts.critic import (
    Logistic,
    StatisticalCritic,
    field_features,
    fit_logistic,
    fit_whole,
    joined,
    joint_features,
)
from experts.outoffold import OutOfFold, only


def with_reviews(
    critic: StatisticalCritic,
    oof: OutOfFold,
    fused: Mapping[str, LogProbs],
    triages: Sequence[Triage],
    right: Mapping[str, Floats],
    reviewer: Reviewer,
    rows: NDArray[np.intp],
) -> StatisticalCritic:
    """The critic that also listens to `reviewer`, or the same one where no field gains. It reads the triages of `rows`.

    Args:
        fused, triages, right: of the rows of `oof`; `right` is 1, 0, or nan where the label is unknown.
    """
    if not len(rows):
        return critic
    some, chosen = only(oof, rows), [triages[i] for i in rows]
    here = {f: log_p[rows] for f, log_p in fused.items()}
    reviews = reviewer.review(some.evidence, chosen)
    statistical, truth = {}, {f: right[f][rows] for f in critic.fields}
    for field, known in truth.items():
        x = field_features(critic.taxonomy, critic.experts, some.evidence, some.opinions, here, chosen, field)
        statistical[field] = cross_fitted(x, known, some.folds)
    joints = {f: _joint(p, reviews, f, truth[f], some.folds) for f, p in statistical.items()}
    kept = {f: model for f, model in joints.items() if model is not None}
    if not kept:
        return critic
    judged = joined(kept, statistical, reviews)
    return replace(critic, reviewed=kept, whole=fit_whole(judged, np.column_stack([truth[f] for f in judged])))


def cross_fitted(x: Floats, right: Floats, folds: NDArray[np.intp]) -> Floats:
    """Probability of being right of each row (n, features) by a logistic regression on the other folds, shape (n,)."""
    p = np.empty(len(x))
    for fold in np.unique(folds):
        learn = (folds != fold) & ~np.isnan(right)
        p[folds == fold] = fit_logistic(x[learn], right[learn] == 1.0).probability(x[folds == fold])
    return p


def _joint(p: Floats, reviews: Sequence[Review], field: str, right: Floats, folds: NDArray[np.intp]) -> Logistic | None:
    """The model of both critics for a field; None where the review does not pay."""
    known, both = ~np.isnan(right), joint_features(p, reviews, field)
    gain = (
        _losses(cross_fitted(both[:, :1], right, folds), right)[known] - _losses(cross_fitted(both, right, folds), right)[known]
    )
    if not exceeds_standard_error(gain):
        return None
    return fit_logistic(both[known], right[known] == 1.0)


def _losses(p: Floats, right: Floats) -> Floats:
    """Log loss of each row in nats."""
    clipped = np.clip(p, 1e-6, 1.0 - 1e-6)
    losses: Floats = -np.where(right == 1.0, np.log(clipped), np.log(1.0 - clipped))
    return losses
