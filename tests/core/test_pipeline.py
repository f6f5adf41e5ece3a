"""The whole way of a batch, with small real parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from core.errors import ModelError
from core.fusion import FieldFusion
from core.pipeline import Critic
from core.retrieval import Rephrased
from core.ticket import CleanTicket, Evidence, Vectors
from core.triage import (
    Accepted,
    Decision,
    Draft,
    Escalated,
    Generation,
    LogProbs,
    Reason,
    Review,
    Suggested,
    Summarized,
    Triage,
    Verdict,
)
from core.words import say
from tests.core.pipeline_examples import BATCH, EXEMPLARS, FIELDS, TAXONOMY, ScriptedCritic, SilentCritic, Vote, pipeline, ticket


def causes(decision: Decision) -> list[str]:
    assert isinstance(decision.outcome, Escalated | Suggested)
    return [cause.code for cause in decision.outcome.causes]


def test_a_batch_keeps_its_order_and_every_ticket_has_its_decision() -> None:
    decisions = pipeline().decide(BATCH)
    assert [d.ticket.id for d in decisions] == ["a", "b", "c", "d", "e"]
    accepted = [d.outcome for d in decisions if isinstance(d.outcome, Accepted)]
    assert [o.triage.labels["category"] for o in accepted] == ["Red", "Correo", "Acceso"]
    assert [o.written for o in accepted] == [("category",)] * 3
    assert causes(decisions[2]) == ["empty"]
    assert causes(decisions[4]) == ["no_evidence"]
    assert pipeline().decide([]) == []


def test_a_decision_tells_its_evidence() -> None:
    (decision,) = pipeline().decide([ticket("a", "Wifi caído")])
    assert isinstance(decision.outcome, Accepted)
    triage = decision.outcome.triage
    assert (triage.ticket_id, triage.revision, triage.attempt) == ("a", "7", 0)
    assert triage.evidence == tuple(n.exemplar.id for n in decision.neighbors)
    assert set(triage.proposals["category"].evidence) == {"e0", "e1"}
    assert triage.resolution.text in {e.resolution for e in EXEMPLARS}
    assert decision.opinions["vote"]["category"]["Red"] == pytest.approx(triage.proposals["category"].confidence, abs=1e-4)
    assert set(decision.seconds) == {"clean", "embed", "retrieve", "experts", "fuse", "judge"}
    assert triage.proposals["group"].mode == "suggest"


def test_alone_or_in_a_batch_the_decision_is_the_same() -> None:
    together = pipeline().decide(BATCH)
    for given, decision in zip(BATCH, together, strict=True):
        (alone,) = pipeline().decide([given])
        assert replace(alone, seconds={}) == replace(decision, seconds={})


# --- what goes wrong ---------------------------------------------------------------------------------------------------


def test_a_poison_ticket_escalates_alone_without_its_text() -> None:
    poison = ticket("p", "Wifi caído", "veneno: mi clave es Tr3sTristes")
    decisions = pipeline().decide([*BATCH[:2], poison, *BATCH[2:]])
    assert [d.ticket.id for d in decisions] == ["a", "b", "p", "c", "d", "e"]
    bad = decisions.pop(2)
    assert bad.outcome == Escalated((Reason("failed", {"stage": "clean", "error": "ValueError"}),))
    assert (bad.ticket.subject, bad.ticket.body, bad.ticket.revision) == ("", "", "7")
    assert "Tr3sTristes" not in repr(bad)
    assert "caído" not in repr(bad)
    assert [replace(d, seconds={}) for d in decisions] == [replace(d, seconds={}) for d in pipeline().decide(BATCH)]


def test_a_failing_model_costs_the_ticket_that_makes_it_fail() -> None:
    decisions = pipeline(experts=(Vote(breaks="buzón"),)).decide(BATCH)
    assert [isinstance(d.outcome, Accepted) for d in decisions] == [True, False, False, True, False]
    (cause,) = decisions[1].outcome.causes if isinstance(decisions[1].outcome, Escalated) else ()
    assert cause.values == {"stage": "experts", "error": "ModelError: The model ran out of memory. Use a smaller batch."}
    assert say(cause, "es").startswith("falló experts: ModelError")


def test_a_long_error_is_cut() -> None:
    def broken(texts: Sequence[str]) -> Vectors:
        raise RuntimeError("x" * 10_000)

    (decision,) = replace(pipeline(), encode=broken).decide(BATCH[:1])
    assert isinstance(decision.outcome, Escalated)
    assert decision.outcome.causes[0].values["stage"] == "embed"
    assert len(decision.outcome.causes[0].values["error"]) == 300


def test_an_expert_with_weight_that_says_nothing_escalates() -> None:
    fusion = {name: FieldFusion({"vote": 0.5, "model": 0.5}, 1.0) for name in FIELDS}
    (decision,) = replace(pipeline(), fusion=fusion).decide(BATCH[:1])
    assert isinstance(decision.outcome, Escalated)
    assert "FitError" in decision.outcome.causes[0].values["error"]


def test_an_expert_that_says_nan_writes_nothing() -> None:
    @dataclass(frozen=True)
    class Broken:
        name: str = "vote"

        def log_probs(self, evidence: Evidence) -> Mapping[str, LogProbs]:
            return {f: np.full((len(evidence.tickets), len(TAXONOMY.labels(f))), np.nan) for f in FIELDS}

    (decision,) = pipeline(experts=(Broken(),)).decide(BATCH[:1])
    assert not isinstance(decision.outcome, Accepted)


# --- the critic fails closed -------------------------------------------------------------------------------------------


def raises(triage: Triage) -> Verdict:
    raise ModelError("The critic's answer can't be read.", remedy="Look at the journal.")


@pytest.mark.parametrize(
    ("critic", "cause"),
    [
        (ScriptedCritic(raises), "failed"),
        (SilentCritic(), "failed"),
        (ScriptedCritic(lambda triage: Verdict(float("nan"), ())), "critic_silent"),
        (ScriptedCritic(lambda triage: Verdict(float("inf"), ())), "critic_silent"),
        (ScriptedCritic(lambda triage: Verdict(100.5, ())), "critic_silent"),
        (ScriptedCritic(lambda triage: Verdict(-1.0, ())), "critic_silent"),
        (ScriptedCritic(lambda triage: Verdict(0.0, ())), "rejected"),
    ],
    ids=["raises", "too few", "nan", "inf", "over 100", "under 0", "zero"],
)
def test_a_critic_that_cannot_be_read_approves_nothing(critic: Critic, cause: str) -> None:
    for size in (1, 2, 4):
        tickets = [ticket(str(i), "Wifi caído") for i in range(size)]
        decisions = pipeline(critic).decide(tickets)
        assert len(decisions) == size
        assert all(isinstance(d.outcome, Escalated) for d in decisions)
        assert {causes(d)[0] for d in decisions} == {cause}


def test_one_unreadable_verdict_does_not_cost_the_others() -> None:
    critic = ScriptedCritic(lambda triage: raises(triage) if triage.ticket_id == "b" else Verdict(90.0, ()))
    decisions = pipeline(critic).decide([BATCH[0], BATCH[1], BATCH[3]])
    assert [isinstance(d.outcome, Accepted) for d in decisions] == [True, False, True]


@pytest.mark.parametrize(
    ("score", "approve_at", "accepted"), [(65, 65, True), (64.9, 65, False), (70, 80, False), (30, 20, True)]
)
def test_approve_at_is_respected(score: float, approve_at: float, accepted: bool) -> None:
    critic = ScriptedCritic(lambda triage: Verdict(score, (Reason("little_text"),)))
    (decision,) = replace(pipeline(critic), approve_at=approve_at).decide(BATCH[:1])
    assert isinstance(decision.outcome, Accepted) == accepted
    if not accepted:
        assert causes(decision) == ["rejected", "little_text"]


def test_approved_but_held_is_suggested_with_the_reasons() -> None:
    critic = ScriptedCritic(lambda triage: Verdict(90.0, (), doubts=("category",)))
    (decision,) = pipeline(critic).decide(BATCH[:1])
    assert isinstance(decision.outcome, Suggested)
    assert causes(decision) == ["doubted", "suggest_only", "suggest_only"]
    (unfitted,) = replace(pipeline(), thresholds={}).decide(BATCH[:1])
    assert causes(unfitted) == ["no_threshold", "suggest_only", "suggest_only"]


# --- revisions ---------------------------------------------------------------------------------------------------------


def rejects(*avoid_in_turn: str) -> ScriptedCritic:
    """Rejects each attempt and asks to leave out the next exemplar."""
    return ScriptedCritic(lambda triage: Verdict(10.0, (), avoid=frozenset(avoid_in_turn[triage.attempt : triage.attempt + 1])))


@pytest.mark.parametrize(("max_revisions", "attempts"), [(0, 1), (1, 2), (2, 3), (9, 4)])
def test_a_rejected_triage_is_tried_again_at_most_so_often(max_revisions: int, attempts: int) -> None:
    critic = rejects("e0", "e1", "e3")
    (decision,) = replace(pipeline(critic), max_revisions=max_revisions).decide([ticket("a", "Wifi caído")])
    assert [triage.attempt for triage in critic.seen] == list(range(attempts))
    assert causes(decision)[0] == ("no_evidence" if attempts == 4 else "rejected")


def test_each_revision_leaves_out_all_that_was_avoided_so_far() -> None:
    critic = rejects("e0", "e1")
    pipeline(critic).decide([ticket("a", "Wifi caído lento")])
    assert "e0" in critic.seen[0].evidence
    assert "e0" not in critic.seen[1].evidence
    assert "e1" in critic.seen[1].evidence
    assert not {"e0", "e1"} & set(critic.seen[2].evidence)
    assert len(critic.seen) == 3


def test_a_revision_that_convinces_is_accepted() -> None:
    critic = ScriptedCritic(lambda t: Verdict(90.0, ()) if t.attempt else Verdict(10.0, (), avoid=frozenset({"e3"})))
    (decision,) = pipeline(critic).decide([ticket("a", "Wifi caído")])
    assert isinstance(decision.outcome, Accepted)
    assert decision.outcome.triage.attempt == 1
    assert "e3" not in {n.exemplar.id for n in decision.neighbors}


def test_only_the_rejected_are_tried_again() -> None:
    critic = ScriptedCritic(lambda t: Verdict(10.0, (), avoid=frozenset({"e2"})) if t.ticket_id == "b" else Verdict(90.0, ()))
    decisions = pipeline(critic).decide(BATCH)
    assert [t.ticket_id for t in critic.seen if t.attempt] == ["b"]
    assert isinstance(decisions[0].outcome, Accepted)
    assert isinstance(decisions[3].outcome, Accepted)


def test_the_same_advice_twice_does_not_go_in_circles() -> None:
    critic = ScriptedCritic(lambda triage: Verdict(10.0, (), avoid=frozenset({"e0"})))
    replace(pipeline(critic), max_revisions=9).decide([ticket("a", "Wifi caído")])
    assert len(critic.seen) == 2


def test_approval_needs_no_revision() -> None:
    critic = ScriptedCritic(lambda triage: Verdict(90.0, (), avoid=frozenset({"e0"})))
    pipeline(critic).decide([ticket("a", "Wifi caído")])
    assert len(critic.seen) == 1


def test_no_neighbours_at_all_is_never_accepted() -> None:
    critic = ScriptedCritic(lambda triage: Verdict(100.0, ()))
    (decision,) = pipeline(critic).decide([ticket("a", "algo nunca visto")])
    assert causes(decision) == ["no_evidence"]
    assert decision.neighbors == []


# --- with a language model -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scribe:
    """Writes the same draft for every ticket; `breaks` makes it fail on a text."""

    summary: str
    name: str = "language"
    breaks: str = ""

    def draft(self, evidence: Evidence) -> list[Draft]:
        if self.breaks and any(self.breaks in ticket.text for ticket in evidence.tickets):
            raise ModelError("The server says nothing.", remedy="Start it.")
        sure = {"category": np.log([0.98, 0.01, 0.01]), "group": np.log([0.98, 0.01, 0.01])}
        return [Draft(sure, self.summary, Generation("triage", "m", "t.v1", t.text, "{}", 9, 5, 4)) for t in evidence.tickets]


def test_a_draft_is_one_more_opinion_and_is_kept() -> None:
    plain = pipeline().decide(BATCH)
    decisions = replace(pipeline(), author=Scribe("nada que ver con esto")).decide(BATCH)
    for before, decision in zip(plain, decisions, strict=True):
        assert decision.outcome == before.outcome  # no weight, no say; and what it wrote is not in the ticket
        if decision.neighbors:
            assert decision.opinions["language"]["category"][TAXONOMY.labels("category")[0]] == pytest.approx(0.98)
            assert decision.generations[0].prompt == decision.ticket.text
            assert "language" in decision.seconds


def test_a_written_summary_is_taken_if_it_is_grounded() -> None:
    (decision,) = replace(pipeline(), author=Scribe("wifi caído")).decide([ticket("a", "Wifi caído en la sede")])
    assert isinstance(decision.outcome, Accepted)
    assert (decision.outcome.triage.summary, decision.outcome.triage.summary_from) == ("wifi caído", "model")
    (other,) = replace(pipeline(), author=Scribe("correo caído")).decide([ticket("a", "Wifi caído en la sede")])
    assert isinstance(other.outcome, Accepted)
    assert (other.outcome.triage.summary, other.outcome.triage.summary_from) == ("wifi caído en la sede", "extract")


def test_a_language_model_that_fails_costs_the_ticket_that_makes_it_fail() -> None:
    decisions = replace(pipeline(), author=Scribe("wifi caído", breaks="buzón")).decide(BATCH)
    assert [isinstance(d.outcome, Accepted) for d in decisions] == [True, False, False, True, False]
    assert isinstance(decisions[1].outcome, Escalated)
    assert decisions[1].outcome.causes[0].values == {
        "stage": "language",
        "error": "ModelError: The server says nothing. Start it.",
    }


class Reader:
    """Reviews by the ticket's length, and fails on a text."""

    def __init__(self, breaks: str = "") -> None:
        self._breaks = breaks

    def review(self, evidence: Evidence, triages: Sequence[Triage]) -> list[Review]:
        if self._breaks and any(self._breaks in ticket.text for ticket in evidence.tickets):
            raise ModelError("No verdict.", remedy="Start it.")
        return [
            Review({"category": 1.0 / len(ticket.text)}, "", Generation("critic", "m", "critic.v1", ticket.id, "{}", 1, 1, 1))
            for ticket in evidence.tickets
        ]


def test_the_critic_gets_one_review_a_triage_and_the_record_what_was_read() -> None:
    critic = ScriptedCritic()
    decisions = replace(pipeline(critic), reviewer=Reader()).decide(BATCH)
    judged = [d for d in decisions if d.neighbors or d.generations]
    assert len(critic.reviews) == len(critic.seen) == len(judged)
    assert all([g.prompt for g in d.generations] == [d.ticket.id] for d in judged)


def test_a_reviewer_that_fails_costs_the_ticket_that_makes_it_fail() -> None:
    decisions = replace(pipeline(), reviewer=Reader(breaks="buzón")).decide(BATCH)
    (failed,) = [d.outcome for d in decisions if isinstance(d.outcome, Escalated) and d.outcome.causes[0].code == "failed"]
    assert failed.causes[0].values == {"stage": "review", "error": "ModelError: No verdict. Start it."}


class Translator:
    """Knows other words for some tickets, and fails on a text."""

    def __init__(self, breaks: str = "") -> None:
        self._breaks = breaks

    def rephrase(self, tickets: Sequence[CleanTicket]) -> list[Rephrased]:
        if self._breaks and any(self._breaks in ticket.text for ticket in tickets):
            raise ModelError("No words.", remedy="Start it.")
        told = [{"nada que ver": "vpn lento"}.get(ticket.text, ticket.text) for ticket in tickets]
        return [
            Rephrased(replace(ticket, subject="", body=words), Generation("rephrase", "m", "r.v1", ticket.id, "{}", 1, 1, 1))
            for ticket, words in zip(tickets, told, strict=True)
        ]


def backwards(ticket: CleanTicket) -> str:
    return " ".join(reversed(ticket.text.split()))


class Backwards:
    """Says each ticket's words from the last to the first."""

    def summarize(self, tickets: Sequence[CleanTicket]) -> list[Summarized]:
        return [Summarized(backwards(ticket), Generation("summary", "m", "s.v1", ticket.id, "{}", 1, 1, 1)) for ticket in tickets]


def test_a_summary_of_its_own_is_taken_and_kept_with_what_was_read() -> None:
    written = [
        one for one in replace(pipeline(), rephraser=Translator(), summarizer=Backwards()).decide(BATCH) if one.generations
    ]
    assert len(written) == 4
    for decision in written:
        assert [g.task for g in decision.generations][:2] == ["rephrase", "summary"]
        triage = decision.outcome.triage
        assert triage is not None
        assert (triage.summary, triage.summary_from) == (backwards(decision.ticket), "model")


def test_other_words_find_what_the_tickets_own_do_not() -> None:
    decisions = replace(pipeline(), rephraser=Translator()).decide(BATCH)
    assert decisions[4].neighbors[0].exemplar.id == "e1"
    assert [n.exemplar.id for n in decisions[0].neighbors] == [n.exemplar.id for n in pipeline().decide(BATCH)[0].neighbors]
    asked = [[g.prompt for g in d.generations] for d in decisions]
    assert asked == [["a"], ["b"], [], ["d"], ["e"]]
    assert "rephrase" in decisions[0].seconds


def test_a_rephraser_that_fails_costs_the_ticket_that_makes_it_fail() -> None:
    decisions = replace(pipeline(), rephraser=Translator(breaks="buzón")).decide(BATCH)
    (failed,) = [d.outcome for d in decisions if isinstance(d.outcome, Escalated) and d.outcome.causes[0].code == "failed"]
    assert failed.causes[0].values == {"stage": "rephrase", "error": "ModelError: No words. Start it."}
