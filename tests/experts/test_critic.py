"""The critic: a calibrated probability of being right, doubts, suspects, reasons; fails closed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from core.fusion import normalise
from core.metrics import auroc, expected_calibration_error
from core.proposal import propose
from core.taxonomy import Mode, Taxonomy
from core.ticket import CleanTicket, Evidence, Exemplar, Neighbor
from core.triage import LogProbs, Triage, Verdict
from experts.critic import StatisticalCritic, fit_logistic, judged_fields, undoubted_fields, whole_features
from experts.fit import _correctness, _fit_critic
from experts.outoffold import OutOfFold
from tests.experts.expert_examples import TAXONOMY

FIELDS = ("category", "urgency")
BOTH = TAXONOMY.model_copy(
    update={"fields": {f: TAXONOMY.fields[f].model_copy(update={"mode": Mode.AUTOFILL}) for f in FIELDS}, "rules": ()}
)
EXPERTS = ("a", "b", "c")
EVERYONE = frozenset(f"e{i}" for i in range(200))


@dataclass(frozen=True)
class Simulated:
    """Tickets of which the truth is known, and what experts, fusion and proposals say of them."""

    evidence: Evidence
    opinions: Mapping[str, Mapping[str, LogProbs]]
    fused: Mapping[str, LogProbs]
    triages: Sequence[Triage]
    labels: Sequence[Mapping[str, str]]

    def right(self) -> dict[str, NDArray[np.float64]]:
        return _correctness(self.triages, self.labels, FIELDS)

    def judged_by(self, critic: StatisticalCritic) -> list[Verdict]:
        return critic.judge(self.evidence, self.opinions, self.fused, self.triages)


@cache
def simulated(n: int, seed: int, signal: float = 3.0) -> Simulated:
    """Each ticket has a difficulty of its own; experts and neighbours see the truth through it."""
    rng = np.random.default_rng(seed)
    ease = rng.uniform(0, signal, n)
    gold = {f: rng.integers(len(BOTH.labels(f)), size=n) for f in FIELDS}
    labels = [{f: BOTH.labels(f)[gold[f][i]] for f in FIELDS} for i in range(n)]
    opinions = {e: {f: _seen(rng, gold[f], len(BOTH.labels(f)), ease) for f in FIELDS} for e in EXPERTS}
    fused = {f: normalise(np.mean([opinions[e][f] for e in EXPERTS], axis=0) * 1.5) for f in FIELDS}
    words = [" ".join(["palabra"] * int(rng.integers(2, 40))) for _ in range(n)]
    tickets = [CleanTicket(f"t{i}", "", words[i], language=("es", "en")[i % 2]) for i in range(n)]
    near = [_near(rng, labels, i, ease[i]) for i in range(n)]
    evidence = Evidence(tickets, np.zeros((n, 2), np.float32), near)
    return Simulated(evidence, opinions, fused, propose(BOTH, evidence, fused), labels)


def _seen(rng: np.random.Generator, gold: NDArray[np.intp], size: int, ease: NDArray[np.float64]) -> LogProbs:
    return normalise(rng.normal(size=(len(gold), size)) + ease[:, None] * np.eye(size)[gold])


def _near(rng: np.random.Generator, labels: Sequence[Mapping[str, str]], row: int, ease: float) -> list[Neighbor]:
    carried = [row if rng.random() < ease / 3 else int(rng.integers(len(labels))) for _ in range(5)]
    return [Neighbor(Exemplar(f"e{rng.integers(200)}", "", "", labels=labels[i]), 0.3 + ease / 5) for i in carried]


def trained_on(sample: Simulated, suspects: frozenset[str] = frozenset(), taxonomy: Taxonomy = BOTH) -> StatisticalCritic:
    n = len(sample.triages)
    oof = OutOfFold(np.arange(n), np.arange(n) % 3, sample.evidence, sample.opinions)
    return _fit_critic(taxonomy, FIELDS, oof, sample.fused, sample.triages, sample.right(), suspects)


@cache
def critic() -> StatisticalCritic:
    return trained_on(simulated(1500, 0))


# --- the probability ---------------------------------------------------------------------------------------------------


def test_the_logistic_recovers_the_probabilities_that_made_the_answers() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal((5.0, -100.0, 0.0), (1.0, 40.0, 0.0), size=(6_000, 3))
    truth = 1 / (1 + np.exp(-(1.5 * (x[:, 0] - 5) - (x[:, 1] + 100) / 40 + 0.5)))
    model = fit_logistic(x[:4_000], rng.random(4_000) < truth[:4_000])
    np.testing.assert_allclose(model.probability(x[4_000:]), truth[4_000:], atol=0.06)


def test_each_fields_probability_is_calibrated_on_fresh_tickets() -> None:
    fresh = simulated(1500, 1)
    for field, p in critic().field_probabilities(fresh.evidence, fresh.opinions, fresh.fused, fresh.triages).items():
        right = fresh.right()[field] == 1.0
        assert 0.5 < right.mean() < 0.9
        assert expected_calibration_error(p, right, bins=10) < 0.04
        assert auroc(p, right) > 0.75
        assert p.std() > 0.15


def test_the_score_is_the_probability_that_all_undoubted_fields_are_right() -> None:
    fresh = simulated(1500, 1)
    verdicts = fresh.judged_by(critic())
    score = np.array([v.score for v in verdicts]) / 100
    sure = [set(FIELDS) - set(v.doubts) or set(FIELDS) for v in verdicts]
    right = np.array([all(fresh.right()[f][i] == 1.0 for f in sure[i]) for i in range(len(verdicts))])
    assert expected_calibration_error(score, right, bins=10) < 0.05
    assert auroc(score, right) > 0.7
    assert ((score > 0) & (score < 1)).all()


def test_a_probability_that_is_too_sure_is_corrected() -> None:
    """The fusion boasts; the critic has seen how often it was wrong."""
    train, fresh = (
        replace(s, fused={f: normalise(6 * p) for f, p in s.fused.items()}) for s in (simulated(1500, 0), simulated(1500, 1))
    )
    train, fresh = (replace(s, triages=propose(BOTH, s.evidence, s.fused)) for s in (train, fresh))
    right = fresh.right()["category"] == 1.0
    boasted = np.array([t.proposals["category"].confidence for t in fresh.triages])
    p = trained_on(train).field_probabilities(fresh.evidence, fresh.opinions, fresh.fused, fresh.triages)["category"]
    assert expected_calibration_error(boasted, right, bins=10) > 0.1
    assert expected_calibration_error(p, right, bins=10) < 0.05


NOTHING_TO_TELL = [(np.ones(50, bool), 51 / 52), (np.zeros(50, bool), 1 / 52), (np.ones(0, bool), 0.5)]


@pytest.mark.parametrize(("right", "expected"), NOTHING_TO_TELL)
def test_where_nothing_can_be_told_apart_the_smoothed_rate_is_the_answer(right: NDArray[np.bool_], expected: float) -> None:
    x = np.random.default_rng(0).normal(size=(len(right), 4))
    model = fit_logistic(x, right)
    np.testing.assert_allclose(model.probability(np.random.default_rng(1).normal(size=(9, 4))), expected)


def test_trained_on_tickets_that_were_all_right_it_approves_and_all_wrong_it_rejects() -> None:
    base = simulated(300, 2)
    right = replace(base, labels=[t.labels for t in base.triages])
    flipped = [{f: next(n for n in BOTH.labels(f) if n != t.labels[f]) for f in FIELDS} for t in base.triages]
    for verdict in right.judged_by(trained_on(right)):
        assert verdict.score > 95
        assert not verdict.doubts
    for verdict in base.judged_by(trained_on(replace(base, labels=flipped))):
        assert verdict.score < 5
        assert verdict.doubts == FIELDS


def test_without_a_ticket_that_has_all_labels_nothing_is_approved() -> None:
    base = simulated(300, 2)
    halves = [{FIELDS[i % 2]: row[FIELDS[i % 2]]} for i, row in enumerate(base.labels)]
    scores = {verdict.score for verdict in base.judged_by(trained_on(replace(base, labels=halves)))}
    assert scores == {50.0}


# --- doubts and suspects -----------------------------------------------------------------------------------------------


def test_doubted_fields_are_those_less_likely_right_than_wrong() -> None:
    fresh = simulated(1500, 1)
    p = critic().field_probabilities(fresh.evidence, fresh.opinions, fresh.fused, fresh.triages)
    verdicts = fresh.judged_by(critic())
    for field in FIELDS:
        doubted = np.array([field in v.doubts for v in verdicts])
        np.testing.assert_array_equal(doubted, p[field] < 0.5)
        right = fresh.right()[field]
        assert right[doubted].mean() < 0.55 < 0.7 < right[~doubted].mean()


def test_where_every_field_is_doubted_the_score_is_about_all_of_them() -> None:
    p = np.array([[0.9, 0.2], [0.3, 0.2], [0.9, 0.8]])
    np.testing.assert_array_equal(undoubted_fields(p), [[True, False], [True, True], [True, True]])
    worst, logs, share = whole_features(dict(zip(FIELDS, p.T, strict=True))).T
    np.testing.assert_allclose(1 / (1 + np.exp(-worst)), [0.9, 0.2, 0.8])
    np.testing.assert_allclose(logs, [np.log(0.9), np.log(0.06), np.log(0.72)])
    np.testing.assert_allclose(share, [0.5, 1.0, 1.0])


def test_suspects_are_avoided_only_when_the_triage_is_rejected() -> None:
    fresh, suspects = simulated(1500, 1), frozenset(f"e{i}" for i in range(100))
    strict = replace(critic(), suspects=suspects)
    rejected = approved = 0
    for near, verdict in zip(fresh.evidence.neighbors, fresh.judged_by(strict), strict=True):
        retrieved = {n.exemplar.id for n in near} & suspects
        if verdict.score >= 65.0:
            approved += bool(retrieved)
            assert not verdict.avoid
            assert not verdict.advice
        else:
            rejected += bool(retrieved)
            assert verdict.avoid == retrieved
            counts = [r.values["count"] for r in verdict.advice if r.code == "avoid_exemplars"]
            assert counts == ([str(len(retrieved))] if retrieved else [])
    assert min(rejected, approved) > 50


def test_approve_at_moves_what_is_rejected() -> None:
    fresh, judges = simulated(300, 2), [replace(critic(), suspects=EVERYONE, approve_at=at) for at in (0, 65, 101)]
    avoided = [sum(bool(v.avoid) for v in fresh.judged_by(judge)) for judge in judges]
    score = fresh.judged_by(critic())[0].score
    assert not fresh.judged_by(replace(critic(), approve_at=score))[0].advice, "at the very score it is approved"
    assert avoided[0] == 0 < avoided[1] < avoided[2] == 300


def test_a_verdict_is_about_the_fields_that_may_be_filled_in() -> None:
    assert judged_fields(TAXONOMY, FIELDS) == ("category",)
    assert judged_fields(TAXONOMY, ("urgency", "area")) == ("urgency", "area")
    assert set(trained_on(simulated(300, 2), taxonomy=TAXONOMY).fields) == {"category"}


# --- nan and silence ---------------------------------------------------------------------------------------------------


def broken(sample: Simulated, expert: str, rows: slice) -> Simulated:
    """`expert` says nan of these rows' categories; its weight may be 0, so that the fusion does not notice."""
    said = sample.opinions[expert]["category"].copy()
    said[rows] = np.nan
    return replace(sample, opinions={**sample.opinions, expert: {**sample.opinions[expert], "category": said}})


def test_a_field_about_which_an_expert_says_nan_is_doubted() -> None:
    sample = simulated(300, 2)
    before, after = sample.judged_by(critic()), broken(sample, "b", slice(0, 100)).judged_by(critic())
    assert any("category" not in v.doubts for v in before[:100])
    assert all("category" in v.doubts for v in after[:100])
    assert after[100:] == before[100:]


def test_where_nothing_is_a_number_nothing_is_approved() -> None:
    sample = simulated(300, 2)
    nan = {f: np.full_like(p, np.nan) for f, p in sample.fused.items()}
    for verdict in replace(sample, fused=nan).judged_by(replace(critic(), suspects=EVERYONE)):
        assert not verdict.score >= 0
        assert verdict.doubts == FIELDS
        assert verdict.avoid
        assert "likely_right" not in {r.code for r in verdict.reasons}


@pytest.mark.parametrize("missing", ["expert", "field"])
def test_an_expert_that_it_was_trained_with_and_that_is_silent_is_an_error(missing: str) -> None:
    sample = simulated(300, 2)
    silent = {**sample.opinions, "b": {"urgency": sample.opinions["b"]["urgency"]}}
    if missing == "expert":
        del silent["b"]
    with pytest.raises((KeyError, ValueError)):
        replace(sample, opinions=silent).judged_by(critic())
