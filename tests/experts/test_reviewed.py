"""Reviews enter the critic only where they tell something new."""

from collections.abc import Sequence

import numpy as np
import pytest

from core.fusion import FieldFusion
from core.proposal import propose
from core.taxonomy import FieldSpec, Label, Taxonomy
from core.ticket import CleanTicket, Evidence
from core.triage import Generation, LogProbs, Review, Triage
from experts.critic import StatisticalCritic, field_features, fit_logistic, fit_whole
from experts.outoffold import OutOfFold
from experts.reviewed import cross_fitted, with_reviews

N = 400
TAXONOMY = Taxonomy(version="1", fields={"category": FieldSpec(labels=(Label(name="a"), Label(name="b")))})
RNG = np.random.default_rng(0)
SURE = RNG.uniform(0.55, 0.95, N)
RIGHT = (RNG.uniform(size=N) < 0.75).astype(np.float64)
WROTE = Generation("critic", "model", "critic.v1", "read", "{}", 1, 1, 1)


def out_of_fold() -> tuple[OutOfFold, dict[str, LogProbs], list[Triage]]:
    said = np.log(np.column_stack([SURE, 1.0 - SURE]))
    tickets = [CleanTicket(f"T-{i}", "", "the printer on the second floor is broken", language="en") for i in range(N)]
    evidence = Evidence(tickets, np.zeros((N, 2), np.float32), [()] * N)
    fused = {"category": FieldFusion({"vote": 1.0}, 1.0).fuse({"vote": said})}
    oof = OutOfFold(np.arange(N), np.arange(N) % 5, evidence, {"vote": {"category": said}})
    return oof, fused, propose(TAXONOMY, evidence, fused)


class Reviewer:
    """Knows with `skill` what is right; else it guesses."""

    def __init__(self, skill: float) -> None:
        self.read = 0
        rng = np.random.default_rng(1)
        knows = rng.uniform(size=N) < skill
        self._says = np.where(knows, RIGHT, rng.integers(0, 2, N)) * 0.8 + 0.1

    def review(self, evidence: Evidence, triages: Sequence[Triage]) -> list[Review]:
        self.read += len(triages)
        return [Review({"category": float(self._says[int(t.id[2:])])}, "", WROTE) for t in evidence.tickets]


def critics(skill: float, most: int = N) -> tuple[StatisticalCritic, StatisticalCritic, Reviewer]:
    oof, fused, triages = out_of_fold()
    x = field_features(TAXONOMY, ("vote",), oof.evidence, oof.opinions, fused, triages, "category")
    model = fit_logistic(x, RIGHT == 1.0)
    whole = fit_whole({"category": model.probability(x)}, RIGHT[:, None])
    alone = StatisticalCritic(TAXONOMY, ("vote",), {"category": model}, whole, frozenset())
    reviewer = Reviewer(skill)
    return alone, with_reviews(alone, oof, fused, triages, {"category": RIGHT}, reviewer, np.arange(N)[:most]), reviewer


def test_a_reviewer_that_knows_is_listened_to() -> None:
    alone, both, reviewer = critics(0.8)
    oof, fused, triages = out_of_fold()
    reviews = reviewer.review(oof.evidence, triages)
    score = np.array([v.score for v in both.judge(oof.evidence, oof.opinions, fused, triages, reviews)])
    before = np.array([v.score for v in alone.judge(oof.evidence, oof.opinions, fused, triages)])
    assert score[RIGHT == 1.0].mean() - score[RIGHT == 0.0].mean() > 30.0
    assert abs(before[RIGHT == 1.0].mean() - before[RIGHT == 0.0].mean()) < 10.0
    assert np.mean(score) == pytest.approx(100.0 * RIGHT.mean(), abs=3.0)


def test_a_reviewer_that_guesses_has_no_weight_and_changes_nothing() -> None:
    alone, both, _ = critics(0.0)
    assert both is alone
    assert not both.reviewed


def test_no_more_triages_are_read_than_allowed() -> None:
    assert critics(0.8, most=150)[2].read == 150


def test_without_reviews_the_statistical_critic_judges_alone() -> None:
    alone, both, _ = critics(0.8)
    oof, fused, triages = out_of_fold()
    one = alone.field_probabilities(oof.evidence, oof.opinions, fused, triages)
    two = both.field_probabilities(oof.evidence, oof.opinions, fused, triages)
    np.testing.assert_array_equal(one["category"], two["category"])


def test_cross_fitted_rows_are_judged_by_other_folds() -> None:
    x = np.arange(10.0)[:, None]
    right = np.array([1.0, 0.0] * 5)
    folds = np.arange(10) % 2  # within the other fold all labels are the same
    p = cross_fitted(x, right, folds)
    assert (p[folds == 0] < 0.5).all()
    assert (p[folds == 1] > 0.5).all()
    assert np.isfinite(cross_fitted(x, np.where(folds == 0, np.nan, right), folds)).all()
