"""The fit: from a past to experts, weights, thresholds and critic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from core.errors import FitError
from core.gate import NEVER
from core.metrics import expected_calibration_error
from core.pipeline import fuse
from core.proposal import propose
from core.taxonomy import Taxonomy
from core.ticket import Evidence, Exemplar
from core.triage import LogProbs
from experts.fit import MIN_LABELLED, fit, fittable_fields
from experts.fitted import Fitted
from experts.outoffold import EncoderOpinions, fold_exemplars
from tests.experts.expert_examples import CATEGORIES, TAXONOMY, ExactSearch, company, encode, evidence, fitted_on, past

NAMES = TAXONOMY.labels("category")
EXPERTS = {"vote", "wording", "linear", "probe", "label_text"}


@dataclass(frozen=True)
class Fresh:
    """What a fit makes of tickets that it has not seen, with the truth; each of shape (tickets,)."""

    confidence: NDArray[np.float64]
    right: NDArray[np.bool_]
    by_expert: Mapping[str, float]
    score: NDArray[np.float64]


def on_fresh(fitted: Fitted, known: Sequence[Exemplar], fresh: Sequence[Exemplar]) -> Fresh:
    seen = evidence(fresh, known)
    opinions = {e.name: e.log_probs(seen) for e in fitted.experts}
    fused = fuse(fitted.fusion, opinions)
    triages = propose(TAXONOMY, seen, fused)
    gold = [e.labels["category"] for e in fresh]
    number = np.array([NAMES.index(label) for label in gold])
    return Fresh(
        np.array([t.proposals["category"].confidence for t in triages]),
        np.array([t.labels["category"] == label for t, label in zip(triages, gold, strict=True)]),
        {name: float((said["category"].argmax(axis=1) == number).mean()) for name, said in opinions.items()},
        np.array([v.score for v in fitted.critic.judge(seen, opinions, fused, triages)]),
    )


@cache
def murky() -> tuple[list[tuple[Fitted, Fresh]], Fresh]:
    """Three fits on pasts that are hard to read, each with 400 fresh tickets, and all of these together."""
    made = []
    for seed in (1, 2, 3):
        known = past(400, seed, clarity=0.5)
        fitted = fitted_on(known)
        made.append((fitted, on_fresh(fitted, known, past(400, seed + 10, clarity=0.5))))
    every = [fresh for _, fresh in made]
    joined = Fresh(
        np.concatenate([f.confidence for f in every]),
        np.concatenate([f.right for f in every]),
        {name: float(np.mean([f.by_expert[name] for f in every])) for name in EXPERTS},
        np.concatenate([f.score for f in every]),
    )
    return made, joined


# --- what it promises of fresh tickets ---------------------------------------------------------------------------------


def test_thresholds_hold_their_target_on_fresh_tickets() -> None:
    made, joined = murky()
    accepted: list[bool] = []
    for fitted, fresh in made:
        threshold = fitted.thresholds["category"]
        assert threshold.holds
        above = fresh.confidence >= threshold.value
        assert 0.2 < above.mean() < 0.95
        assert above.mean() == pytest.approx(threshold.coverage, abs=0.2)
        accepted += fresh.right[above].tolist()
    assert np.mean(accepted) >= TAXONOMY.fields["category"].target_precision
    assert joined.right.mean() < TAXONOMY.fields["category"].target_precision


def test_confidence_is_calibrated_on_fresh_tickets() -> None:
    _, fresh = murky()
    assert expected_calibration_error(fresh.confidence, fresh.right, bins=10) < 0.06


def test_the_critics_score_is_calibrated_on_fresh_tickets() -> None:
    _, fresh = murky()
    assert expected_calibration_error(fresh.score / 100, fresh.right, bins=10) < 0.06


def test_the_fusion_is_not_worse_than_its_best_expert() -> None:
    _, fresh = murky()
    assert fresh.right.mean() > max(fresh.by_expert.values()) - 0.01
    assert fresh.right.mean() > np.mean(list(fresh.by_expert.values())) + 0.03


def test_the_quality_that_it_reports_is_that_on_fresh_tickets() -> None:
    made, joined = murky()
    reported = np.mean([fitted.quality["category"]["fusion"] for fitted, _ in made])
    assert reported == pytest.approx(joined.right.mean(), abs=0.04)
    for name in EXPERTS:
        assert np.mean([f.quality["category"][name] for f, _ in made]) == pytest.approx(joined.by_expert[name], abs=0.05)


# --- what it is made of ------------------------------------------------------------------------------------------------


def test_two_fits_are_the_same_to_the_last_bit() -> None:
    exemplars = past(120)
    one, two = fitted_on(exemplars), fitted_on(exemplars)
    assert one.fusion == two.fusion
    assert one.thresholds == two.thresholds
    assert one.critic == two.critic
    assert one.quality == two.quality
    for field in one.fields:
        np.testing.assert_array_equal(one.linear.heads[field].coef, two.linear.heads[field].coef)
        np.testing.assert_array_equal(one.probe.heads[field].coef, two.probe.heads[field].coef)
        np.testing.assert_array_equal(one.held_out[field].confidence, two.held_out[field].confidence)
    assert (one.folds != fitted_on(exemplars, seed=1).folds).any()


def test_everything_is_there_for_every_field() -> None:
    exemplars, fitted = company()
    assert fitted.fields == ("category", "urgency")
    assert {e.name for e in fitted.experts} == EXPERTS
    for name in (fitted.linear.heads, fitted.probe.heads, fitted.vote.priors, fitted.label_text.texts, fitted.fusion):
        assert set(name) == set(fitted.fields)
    for field in fitted.fields:
        labelled = sum(field in e.labels for e in exemplars)
        held = fitted.held_out[field]
        assert fitted.quality[field]["n"] == labelled == len(held.confidence) == len(held.right) == len(held.predicted)
        assert fitted.quality[field]["fusion"] == pytest.approx(held.right.mean())
        assert set(fitted.fusion[field].weights) == EXPERTS
        assert fitted.thresholds[field].n == labelled
        assert fitted.thresholds[field].target == TAXONOMY.fields[field].target_precision
    assert set(fitted.critic.fields) == {"category"}
    assert (fitted.k, len(fitted.folds)) == (8, len(exemplars))


def test_it_says_what_it_is_at() -> None:
    stages: list[str] = []
    search = ExactSearch(past(60))
    fit(TAXONOMY, search.exemplars, search.vectors, search, encode, k=5, folds=2, progress=stages.append)
    assert [s.split(",")[0] for s in stages] == ["neighbours", "linear heads", "weights", "linear heads"]


def test_exemplars_that_all_others_contradict_are_suspect() -> None:
    exemplars = past(200, clarity=1.0)
    wrong = {e.id: CATEGORIES[(CATEGORIES.index(e.labels["category"]) + 1) % 4] for e in exemplars[:200:20]}
    given = [replace(e, labels={**e.labels, "category": wrong.get(e.id, e.labels["category"])}) for e in exemplars]
    suspects = fitted_on(given).critic.suspects
    assert suspects >= wrong.keys()
    assert len(suspects) < 1.5 * len(wrong)


def test_what_is_merely_hard_to_read_is_not_suspect() -> None:
    for fitted, fresh in murky()[0]:
        assert 0 < len(fitted.critic.suspects) < 0.3 * (~fresh.right).sum()


# --- which fields ------------------------------------------------------------------------------------------------------


def labelled(values: Sequence[str], field: str = "urgency") -> list[dict[str, str]]:
    return [{"category": CATEGORIES[i % 4], **({field: v} if v else {})} for i, v in enumerate(values)]


@pytest.mark.parametrize(
    ("urgency", "fitted"),
    [
        (["Alta", "Baja"] * (MIN_LABELLED // 2), True),
        ((["Alta", "Baja"] * MIN_LABELLED)[: MIN_LABELLED - 1] + [""] * 9, False),
        (["Alta"] * 50, False),
        ([""] * 50, False),
    ],
    ids=["enough", "one too few", "one label only", "none"],
)
def test_fields_with_too_little_to_learn_from_are_left_out(urgency: list[str], fitted: bool) -> None:
    assert fittable_fields(TAXONOMY, labelled(urgency)) == (("category", "urgency") if fitted else ("category",))


def test_a_field_that_is_off_is_left_out_and_one_in_the_shadow_is_fitted() -> None:
    assert fittable_fields(TAXONOMY, labelled(["Sí", "Nada"] * 20, "closed")) == ("category",)
    assert fittable_fields(TAXONOMY, labelled(["Norte", "Sur"] * 20, "area")) == ("category", "area")


def test_a_field_that_is_left_out_is_nowhere_in_the_fit() -> None:
    few = [replace(e, labels={k: v for k, v in e.labels.items() if k == "category" or i < 15}) for i, e in enumerate(past(80))]
    fitted = fitted_on(few)
    for part in (fitted.fields, fitted.fusion, fitted.thresholds, fitted.quality, fitted.held_out, fitted.linear.sizes):
        assert set(part) == {"category"}


@pytest.mark.parametrize("exemplars", [[], past(12), [replace(e, labels={"category": "Red"}) for e in past(40)]])
def test_where_no_field_can_be_fitted_it_says_what_there_is_and_what_to_do(exemplars: list[Exemplar]) -> None:
    with pytest.raises(FitError) as caught:
        fitted_on(exemplars)
    count = len(exemplars)
    assert f"No field has 20 labelled exemplars with two different labels (category: {count}, " in caught.value.message
    assert "area: 0)" in caught.value.message
    assert "closed" not in caught.value.message
    assert caught.value.remedy.startswith("Ingest more resolved tickets")


# --- pasts that are out of the ordinary --------------------------------------------------------------------------------


def test_labels_that_the_taxonomy_has_no_more_are_taken_for_none() -> None:
    exemplars = past(120)
    spec = TAXONOMY.model_dump()
    spec["fields"]["category"]["labels"] = [row for row in spec["fields"]["category"]["labels"] if row["name"] != "Correo"]
    smaller = Taxonomy.model_validate(spec)
    gone = [replace(e, labels={k: v for k, v in e.labels.items() if v != "Correo"}) for e in exemplars]
    one, two = (fitted_on(given, smaller) for given in (exemplars, gone))
    assert one.quality == two.quality
    assert one.fusion == two.fusion
    assert one.quality["category"]["n"] < 120


def test_a_field_that_only_one_group_of_duplicates_carries_spoils_nothing() -> None:
    """Out of fold nothing is known of it: the experts are pooled alike, and nothing is promised."""
    areas = [{"category": "Red", "area": ("Norte", "Sur")[i % 2]} for i in range(30)]
    alerts = [Exemplar(f"a{i}", "alerta", f"disco {i}", labels=row, duplicate_group="g") for i, row in enumerate(areas)]
    fitted = fitted_on([*past(90), *alerts])
    assert fitted.fields == ("category", "urgency", "area")
    assert not fitted.thresholds["area"].holds
    assert fitted.quality["area"]["fusion"] < 0.7
    assert fitted.quality["category"]["fusion"] > 0.6


# --- with an encoder ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Oracle:
    """An encoder that knows the categories of its tickets by their ids."""

    labels: Mapping[str, str]
    name: str = "encoder"

    def log_probs(self, evidence: Evidence) -> dict[str, LogProbs]:
        category = [[0.96 if self.labels[t.id] == name else 0.01 for name in NAMES] for t in evidence.tickets]
        return {"category": np.log(category), "urgency": np.full((len(evidence.tickets), 2), np.log(0.5))}


def with_oracle(exemplars: Sequence[Exemplar], folds: Sequence[int]) -> Fitted:
    """Fit with an encoder whose out-of-fold opinions are about these folds."""
    oracle, search = Oracle({e.id: e.labels["category"] for e in exemplars}), ExactSearch(exemplars)

    def train(
        texts: Sequence[str],
        labels: Sequence[Mapping[str, str]],
        taxonomy: Taxonomy,
        fields: Sequence[str],
        fold: NDArray[np.intp],
    ) -> EncoderOpinions:
        assert (list(texts), list(labels)) == ([e.text for e in exemplars], [e.labels for e in exemplars])
        rows = np.flatnonzero(np.isin(fold, folds))
        said = oracle.log_probs(evidence([exemplars[i] for i in rows.tolist()]))
        return EncoderOpinions(rows, {f: said[f] for f in fields}, oracle)

    return fit(TAXONOMY, exemplars, search.vectors, search, encode, k=5, folds=3, train_encoder=train)


def test_an_encoder_joins_the_experts_and_is_weighed_like_them() -> None:
    exemplars = past(150, clarity=0.5)
    fitted, without = with_oracle(exemplars, (0, 1, 2)), fitted_on(exemplars)
    assert [e.name for e in fitted.experts][-1] == "encoder"
    weights = fitted.fusion["category"].weights
    assert weights["encoder"] == max(weights.values())
    assert fitted.quality["category"]["encoder"] == 1.0
    assert fitted.quality["category"]["fusion"] > without.quality["category"]["fusion"] + 0.1
    assert fitted.critic.experts[-1] == "encoder"


def test_only_what_the_encoder_has_not_seen_is_used_for_weights_and_thresholds() -> None:
    exemplars = past(150)
    fitted = with_oracle(exemplars, (0,))
    assert fitted.quality["category"]["n"] == fitted.thresholds["category"].n == (fitted.folds == 0).sum()
    assert len(fitted.folds) == 150
    assert fitted.critic.suspects <= {e.id for e, fold in zip(exemplars, fitted.folds, strict=True) if fold == 0}


def test_a_field_without_a_label_in_the_encoders_fold_promises_nothing() -> None:
    exemplars = past(150)
    fold = fold_exemplars(exemplars, "category", 3, seed=0)
    for i in np.flatnonzero(fold == 0).tolist():
        exemplars[i] = replace(exemplars[i], labels={"category": exemplars[i].labels["category"]})
    fitted = with_oracle(exemplars, (0,))
    assert fitted.fields == ("category", "urgency")
    assert fitted.quality["urgency"]["n"] == 0.0
    assert fitted.thresholds["urgency"].value == NEVER
    assert fitted.thresholds["category"].n == (fold == 0).sum()
