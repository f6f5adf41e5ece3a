"""A run, its decisions and the writes that follow, as the rest of the house makes them."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from core.fusion import FieldFusion
from core.gate import NEVER, Threshold
from core.taxonomy import Mode
from core.ticket import CleanTicket, Exemplar, Neighbor
from core.triage import Accepted, Decision, Escalated, Outcome, Proposal, Reason, Resolution, Suggested, Triage, Verdict
from observability.decisions import decision_record
from observability.records import DecisionRecord, RunFinished, RunStarted, Versions, WritebackRecord, WriteState

AT = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
VERSIONS = Versions(
    tamiz="0.1.0", python="3.11.7", taxonomy="3", taxonomy_digest="ab" * 32, knowledge="kb-7", embedder="minilm", fit="fit-2"
)
THRESHOLDS = {
    "category": Threshold(0.9, 0.95, 400, precision=0.97, lower=0.955, coverage=0.6),
    "urgency": Threshold(NEVER, 0.95, 400, needed=120, weakest="high"),
}
FUSION = {
    "category": FieldFusion({"vote": 0.6, "linear": 0.4}, 0.8),
    "urgency": FieldFusion({"vote": 1.0, "linear": 0.0}, 1.3),
}


def _triage(ticket: CleanTicket) -> Triage:
    distribution = {"network": 0.93, "access": 0.04}
    proposals = {
        "category": Proposal("category", "network", 0.93, distribution, ("ex-1", "ex-2"), Mode.AUTOFILL),
        "urgency": Proposal("urgency", "low", 0.55, {"low": 0.55, "high": 0.45}),
    }
    resolution = Resolution("close", "Se reinició el túnel.", "ex-1", confidence=0.7)
    return Triage(ticket.id, ticket.revision, proposals, resolution, "VPN caída", "P3", ("ex-1", "ex-2"), attempt=1)


@dataclass(frozen=True)
class Example:
    """Makers of records of one run."""

    versions: Versions = VERSIONS

    def decision(self, ticket: str = "T-1", revision: str = "r1", outcome: str = "accepted", score: float = 88.0) -> Decision:
        clean = CleanTicket(ticket, "VPN", "no conecta desde Málaga", revision, language="es", redactions={"email": 1})
        triage = _triage(clean)
        verdict = Verdict(score, (Reason("likely_right"),), ("urgency",), frozenset(("ex-9", "ex-3")), (Reason("ask_user"),))
        outcomes: dict[str, Outcome] = {
            "accepted": Accepted(triage, verdict, ("category",)),
            "suggested": Suggested(triage, verdict, (Reason("doubted", {"field": "urgency"}),)),
            "escalated": Escalated((Reason("rejected", {"score": "40", "approve_at": "65"}),), triage, verdict),
            "refused": Escalated((Reason("empty"),)),
        }
        near = [Neighbor(Exemplar(f"ex-{i}", "VPN", "x", labels={"category": "network"}), 0.9 - i / 50) for i in range(30)]
        said = {
            expert: {"category": {"network": 0.9, "access": 0.1}, "urgency": {"low": 0.5}}
            for expert in ("vote", "linear", "text")
        }
        seconds = {"clean": 0.001, "embed": 0.01, "judge": 0.002}
        return Decision(clean, outcomes[outcome], near, said, seconds)

    def record(self, ticket: str = "T-1", revision: str = "r1", outcome: str = "accepted", run: str = "run-1") -> DecisionRecord:
        decision = self.decision(ticket, revision, outcome)
        return decision_record(decision, run, VERSIONS, THRESHOLDS, FUSION, at=AT)

    def from_decision(self, decision: Decision) -> DecisionRecord:
        return decision_record(decision, "run-1", VERSIONS, THRESHOLDS, FUSION, at=AT)

    def with_text(self, subject: str, body: str) -> Decision:
        decision = self.decision()
        ticket = replace(decision.ticket, id=subject, subject=subject, body=body)
        return replace(decision, ticket=ticket, outcome=Escalated((Reason("failed", {"stage": "embed", "error": body}),)))

    def started(self, run: str = "run-1", *, dry_run: bool = False, source: str = "desk") -> RunStarted:
        return RunStarted(run=run, at=AT, source=source, dry_run=dry_run, versions=VERSIONS, settings={"k": 30})

    def finished(self, run: str = "run-1") -> RunFinished:
        return RunFinished(run=run, at=AT, totals={"accepted": 3}, seconds={"embed": 1.5}, tickets_per_second=12.5, state="done")

    def write(self, decision: DecisionRecord, state: WriteState, run: str = "", new_revision: str = "") -> WritebackRecord:
        return WritebackRecord(
            run=run or decision.run,
            at=AT,
            ticket_id=decision.ticket_id,
            revision=decision.revision,
            state=state,
            decision=decision.digest,
            new_revision=new_revision,
        )

    def batch(self, run: str, size: int, padding: int = 0) -> list[DecisionRecord]:
        one = self.record(run=run)
        return [one.model_copy(update={"ticket_id": f"{run}-{i}", "body": f"{one.body} {'x' * padding}"}) for i in range(size)]
