"""The whole algorithm: clean, retrieve, ask the experts, fuse, judge, gate. Fails closed: what goes wrong goes to a person."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from core.clock import Clock
from core.errors import TamizError
from core.fusion import FieldFusion
from core.gate import Threshold, decide_modes, why_held
from core.proposal import propose, spoken
from core.retrieval import Encode, Rephrased, Search, retrieve
from core.taxonomy import Mode, Taxonomy
from core.ticket import CleanTicket, Evidence, Ticket
from core.triage import (
    Accepted,
    Decision,
    Draft,
    Escalated,
    LogProbs,
    Opinions,
    Outcome,
    Reason,
    Review,
    Suggested,
    Summarized,
    Triage,
    Verdict,
)


class Expert(Protocol):
    """Somebody with an opinion."""

    @property
    def name(self) -> str: ...

    def log_probs(self, evidence: Evidence) -> Mapping[str, LogProbs]:
        """field -> natural-log probabilities (tickets, labels of the field); a field it can't judge is left out."""
        ...


class Rephraser(Protocol):
    """A language model that puts a ticket into words to search with; its own words are searched with as well."""

    def rephrase(self, tickets: Sequence[CleanTicket]) -> Sequence[Rephrased]:
        """One query a ticket, in order. What can't be read of the model's answer raises."""
        ...


class Summarizer(Protocol):
    """A language model that says in a line what a ticket is about."""

    def summarize(self, tickets: Sequence[CleanTicket]) -> Sequence[Summarized]:
        """One summary a ticket, in order. What can't be read of its answer raises."""
        ...


class Author(Protocol):
    """A language model: it reads ticket and evidence, and writes a triage. Its labels are one more opinion."""

    @property
    def name(self) -> str: ...

    def draft(self, evidence: Evidence) -> Sequence[Draft]:
        """One draft a ticket, in order. What can't be read of its answer raises."""
        ...


class Reviewer(Protocol):
    """A language model that judges a triage, with other evidence than the author saw."""

    def review(self, evidence: Evidence, triages: Sequence[Triage]) -> Sequence[Review]:
        """One review a triage, in order. What can't be read of its answer raises."""
        ...


class Critic(Protocol):
    """Somebody who says how likely a triage is right."""

    def judge(
        self,
        evidence: Evidence,
        opinions: Opinions,
        fused: Mapping[str, LogProbs],
        triages: Sequence[Triage],
        reviews: Sequence[Review] = (),
    ) -> Sequence[Verdict]:
        """One verdict a triage, in order; `reviews` are as many, or none. What can't be judged raises: no verdict by default."""
        ...


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Everything a batch needs, wired by whoever runs it. `k` neighbours; the critic approves at `approve_at` of 100.

    Without a `summarizer` the author's drafts have the summaries, or nobody has.
    """

    taxonomy: Taxonomy
    clean: Callable[[Ticket], CleanTicket]
    refuse: Callable[[CleanTicket], Reason | None]
    encode: Encode
    search: Search
    experts: Sequence[Expert]
    fusion: Mapping[str, FieldFusion]
    thresholds: Mapping[str, Threshold]
    critic: Critic
    rephraser: Rephraser | None = None
    summarizer: Summarizer | None = None
    author: Author | None = None
    reviewer: Reviewer | None = None
    k: int = 30
    approve_at: float = 65.0
    max_revisions: int = 2

    def decide(self, tickets: Sequence[Ticket]) -> list[Decision]:
        """One decision a ticket, in order. A failure costs the ticket that causes it, never its batch."""
        clock = Clock()
        return self._guarded(tickets, clock) if tickets else []

    def _guarded(self, tickets: Sequence[Ticket], clock: Clock) -> list[Decision]:
        """The one boundary where any error is caught: halve the batch until the culprit is alone, then escalate it."""
        try:
            return self._decide(tickets, clock)
        except Exception as error:  # noqa: BLE001 - whatever fails, the ticket goes to a person with the cause
            if len(tickets) > 1:
                half = len(tickets) // 2
                return [*self._guarded(tickets[:half], clock), *self._guarded(tickets[half:], clock)]
            cause = Reason("failed", {"stage": clock.stage, "error": _told(error, clock.stage)})
            # The text is left out: if cleaning failed it is not redacted.
            return [Decision(CleanTicket(tickets[0].id, "", "", tickets[0].revision), Escalated((cause,)))]

    def _decide(self, tickets: Sequence[Ticket], clock: Clock) -> list[Decision]:
        with clock("clean"):
            cleaned = [self.clean(ticket) for ticket in tickets]
            refusals = [self.refuse(ticket) for ticket in cleaned]
        decisions = {i: Decision(cleaned[i], Escalated((why,))) for i, why in enumerate(refusals) if why is not None}
        pending = [i for i, why in enumerate(refusals) if why is None]
        with clock("embed"):
            vectors = self.encode([ticket.text for ticket in cleaned])
        told = self._rephrased([cleaned[i] for i in pending], clock)
        rephrased = dict(zip(pending, told, strict=False))
        summarized = dict(zip(pending, self._summarized([cleaned[i] for i in pending], clock), strict=False))
        avoid: list[frozenset[str]] = [frozenset()] * len(tickets)
        for attempt in range(self.max_revisions + 1):
            if not pending:
                break
            batch = [cleaned[i] for i in pending]
            with clock("retrieve"):
                queries = [rephrased[i].query for i in pending if rephrased]
                unwanted = [avoid[i] for i in pending]
                neighbors = retrieve(self.search, self.encode, batch, vectors[pending], self.k, unwanted, queries)
            evidence = Evidence(batch, vectors[pending], neighbors)
            lines = [summarized[i].text for i in pending if summarized]
            decisions |= dict(zip(pending, self._judge(evidence, attempt, clock, lines), strict=True))
            advised = {i: _advised(decisions[i]) - avoid[i] for i in pending}
            avoid = [ids | advised.get(i, frozenset()) for i, ids in enumerate(avoid)]
            pending = [i for i in pending if advised[i]]
        shares = clock.shares(len(tickets))
        return [
            replace(
                decision,
                seconds=shares,
                generations=(*(said[i].generation for said in (rephrased, summarized) if i in said), *decision.generations),
            )
            for i, decision in sorted(decisions.items())
        ]

    def _rephrased(self, tickets: Sequence[CleanTicket], clock: Clock) -> Sequence[Rephrased]:
        if self.rephraser is None:
            return ()
        with clock("rephrase"):
            return self.rephraser.rephrase(tickets)

    def _summarized(self, tickets: Sequence[CleanTicket], clock: Clock) -> Sequence[Summarized]:
        if self.summarizer is None:
            return ()
        with clock("summarize"):
            return self.summarizer.summarize(tickets)

    def _judge(self, evidence: Evidence, attempt: int, clock: Clock, summaries: Sequence[str]) -> list[Decision]:
        """One attempt at a batch: opinions, fusion, verdict, gate."""
        with clock("experts"):
            opinions: dict[str, Mapping[str, LogProbs]] = {expert.name: expert.log_probs(evidence) for expert in self.experts}
        drafts: Sequence[Draft] = ()
        if self.author is not None:
            with clock("language"):
                drafts = self.author.draft(evidence)
                opinions[self.author.name] = stacked(drafts)
        with clock("fuse"):
            fused = fuse(self.fusion, opinions)
            triages = propose(self.taxonomy, evidence, fused, attempt, summaries or [draft.summary for draft in drafts])
        reviews: Sequence[Review] = ()
        if self.reviewer is not None:
            with clock("review"):
                reviews = self.reviewer.review(evidence, triages)
        with clock("judge"):
            verdicts = self.critic.judge(evidence, opinions, fused, triages, reviews)
            return [
                Decision(
                    ticket,
                    gated(triage, verdict, self.taxonomy, self.thresholds, approve_at=self.approve_at, evidence=bool(near)),
                    near,
                    spoken(self.taxonomy, opinions, row),
                    generations=(*(d.generation for d in drafts[row : row + 1]), *(r.generation for r in reviews[row : row + 1])),
                )
                for row, (ticket, near, triage, verdict) in enumerate(
                    zip(evidence.tickets, evidence.neighbors, triages, verdicts, strict=True)
                )
            ]


def gated(
    triage: Triage,
    verdict: Verdict,
    taxonomy: Taxonomy,
    thresholds: Mapping[str, Threshold],
    *,
    approve_at: float,
    evidence: bool,
) -> Outcome:
    """What becomes of a judged triage; `evidence` says whether anything was retrieved for it."""
    triage = replace(triage, proposals=decide_modes(triage.proposals, verdict, taxonomy, thresholds))
    if not evidence:
        return Escalated((Reason("no_evidence"),), triage, verdict)
    if not 0.0 <= verdict.score <= 100.0:  # nan fails this too: a score that can't be read approves nothing
        return Escalated((Reason("critic_silent"),), triage, verdict)
    if verdict.score < approve_at:
        rejected = Reason("rejected", {"score": f"{int(verdict.score)}", "approve_at": f"{approve_at:g}"})
        return Escalated((rejected, *verdict.reasons), triage, verdict)
    written = tuple(name for name, proposal in triage.proposals.items() if proposal.mode is Mode.AUTOFILL)
    if written:
        return Accepted(triage, verdict, written)
    return Suggested(triage, verdict, why_held(triage.proposals, verdict, taxonomy, thresholds))


def stacked(drafts: Sequence[Draft]) -> dict[str, LogProbs]:
    """field -> (tickets, labels), for the fields that every draft speaks of."""
    fields = set.intersection(*(set(draft.log_probs) for draft in drafts)) if drafts else set()
    return {field: np.stack([draft.log_probs[field] for draft in drafts]) for field in sorted(fields)}


def fuse(fusion: Mapping[str, FieldFusion], opinions: Opinions) -> dict[str, LogProbs]:
    """Pool what the experts said, field by field."""
    return {
        name: pool.fuse({expert: said[name] for expert, said in opinions.items() if name in said})
        for name, pool in fusion.items()
    }


def _told(error: Exception, stage: str) -> str:
    """An error in one line. What fails in cleaning may quote the ticket as received: of a foreign error only the kind is told."""
    kind = type(error).__name__
    quotable = stage != "clean" or isinstance(error, TamizError)
    return f"{kind}: {error}"[:300] if quotable else kind


def _advised(decision: Decision) -> frozenset[str]:
    """The exemplars that a rejected triage should be tried again without."""
    outcome = decision.outcome
    return outcome.verdict.avoid if isinstance(outcome, Escalated) and outcome.verdict else frozenset()
