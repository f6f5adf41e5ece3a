"""From a decision to the record of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime

from core.fusion import FieldFusion
from core.gate import Threshold
from core.ticket import CleanTicket, Neighbor
from core.triage import Accepted, Decision, Escalated, Outcome, Proposal, Reason, Resolution, Suggested, Triage, Verdict
from observability.records import (
    DecisionRecord,
    FusedField,
    Generated,
    NeighborSeen,
    OutcomeName,
    ReasonGiven,
    ResolutionProposed,
    ThresholdUsed,
    VerdictGiven,
    Versions,
    now,
    readable,
)

_NAMES: Mapping[type[Outcome], OutcomeName] = {Accepted: "accepted", Suggested: "suggested", Escalated: "escalated"}


def decision_record(
    decision: Decision,
    run: str,
    versions: Versions,
    thresholds: Mapping[str, Threshold],
    fusion: Mapping[str, FieldFusion],
    *,
    at: datetime | None = None,
) -> DecisionRecord:
    """The record of a decision of `run`, made with these versions, thresholds and fusion (by field); `at` is now by default."""
    ticket, outcome = _readable(decision.ticket), decision.outcome
    triage = outcome.triage
    proposals = triage.proposals if triage else {}
    return DecisionRecord(
        run=run,
        at=at or now(),
        ticket_id=ticket.id,
        revision=ticket.revision,
        text_digest=ticket.digest,
        language=ticket.language,
        redactions=ticket.redactions,
        removed=ticket.removed,
        subject=ticket.subject,
        body=ticket.body,
        summary=triage.summary if triage else "",
        summary_from=triage.summary_from if triage else "extract",
        neighbours=_neighbours(decision.neighbors),
        opinions=decision.opinions,
        generations=tuple(Generated(**asdict(generation)) for generation in decision.generations),
        fusion={name: _fused(proposal, fusion.get(name)) for name, proposal in proposals.items()},
        thresholds={name: _threshold(thresholds[name]) for name in proposals if name in thresholds},
        resolution=_resolution(triage),
        priority=triage.priority if triage else None,
        verdict=_verdict(outcome.verdict) if outcome.verdict else None,
        outcome=_NAMES[type(outcome)],
        written=outcome.written if isinstance(outcome, Accepted) else (),
        causes=() if isinstance(outcome, Accepted) else _reasons(outcome.causes),
        attempt=triage.attempt if triage else 0,
        seconds=decision.seconds,
        versions_digest=versions.digest,
    )


def resolution_record(resolution: Resolution) -> ResolutionProposed:
    """A resolution as the journal keeps it."""
    return ResolutionProposed(
        kind=resolution.kind,
        text=resolution.text,
        exemplar=resolution.exemplar_id,
        group=resolution.group,
        system=resolution.system,
        confidence=resolution.confidence,
        reason=resolution.reason,
    )


def _readable(ticket: CleanTicket) -> CleanTicket:
    """A ticket whose digest is that of the text the journal keeps (see `observability.records.readable`)."""
    return replace(ticket, subject=readable(ticket.subject), body=readable(ticket.body))


def _resolution(triage: Triage | None) -> ResolutionProposed | None:
    return resolution_record(triage.resolution) if triage else None


def _neighbours(neighbors: Sequence[Neighbor]) -> tuple[NeighborSeen, ...]:
    return tuple(NeighborSeen(exemplar=n.exemplar.id, similarity=n.similarity, labels=n.exemplar.labels) for n in neighbors)


def _fused(proposal: Proposal, pool: FieldFusion | None) -> FusedField:
    return FusedField(
        label=proposal.label,
        confidence=proposal.confidence,
        distribution=proposal.distribution,
        mode=proposal.mode,
        evidence=proposal.evidence,
        weights=pool.weights if pool else {},
        temperature=pool.temperature if pool else None,
    )


def _threshold(threshold: Threshold) -> ThresholdUsed:
    return ThresholdUsed(
        value=threshold.value if threshold.holds else None,
        target=threshold.target,
        precision=threshold.precision,
        lower=threshold.lower,
        coverage=threshold.coverage,
        n=threshold.n,
    )


def _verdict(verdict: Verdict) -> VerdictGiven:
    return VerdictGiven(
        score=verdict.score,
        reasons=_reasons(verdict.reasons),
        doubts=verdict.doubts,
        avoid=tuple(sorted(verdict.avoid)),
        advice=_reasons(verdict.advice),
    )


def _reasons(reasons: Sequence[Reason]) -> tuple[ReasonGiven, ...]:
    return tuple(ReasonGiven(code=reason.code, values=reason.values) for reason in reasons)
