"""What is compared of a decision and of what a person said of it, taken out of journal records."""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from observability.records import DecisionRecord, HumanVerdict, Record, ReviewNote
from observability.reviews import standing

UNKNOWN = math.nan


@dataclass(frozen=True, slots=True)
class Observation:
    """One decided ticket.

    `labels` are those proposed; `confidence` is their mean, 0..1; `score` the critic's, 0..100; `length` in characters.
    `right` is the share of the judged fields that a person confirmed (0 where the triage was rejected), `gap` is `right`
    less the confidence of those fields. What there is not is nan.
    """

    ticket: str
    at: datetime
    text: str
    language: str
    labels: Mapping[str, str]
    rejected: bool
    confidence: float = UNKNOWN
    score: float = UNKNOWN
    right: float = UNKNOWN
    gap: float = UNKNOWN

    @property
    def length(self) -> float:
        """Characters of the cleaned text."""
        return float(len(self.text))


def observe(decisions: Iterable[DecisionRecord], said: Mapping[str, HumanVerdict]) -> list[Observation]:
    """The observations, oldest first; of several decisions on one text of a ticket the first counts, so that no ticket is
    counted twice and a new run over old tickets is no news. `said`: the verdict that stands, by ticket."""
    first: dict[tuple[str, str], DecisionRecord] = {}
    for record in sorted(decisions, key=lambda record: record.at):
        first.setdefault((record.ticket_id, record.text_digest), record)
    return [_observed(record, said.get(record.ticket_id)) for record in first.values()]


def verdicts(records: Iterable[Record]) -> dict[str, HumanVerdict]:
    """The verdict that stands by ticket, of the records about tickets that were judged."""
    histories: dict[str, list[Record]] = {}
    for record in records:
        if isinstance(record, HumanVerdict | ReviewNote):
            histories.setdefault(record.ticket_id, []).append(record)
    found = {ticket: standing(history) for ticket, history in histories.items()}
    return {ticket: verdict for ticket, verdict in found.items() if verdict is not None}


def digest(observations: Sequence[Observation], *, judged: bool = False) -> str:
    """Names a set of observations, and with `judged` also what people had said of them by then: 12 hexadecimal digits."""
    content = hashlib.sha256()
    for one in observations:
        said = f" {one.right:.4f}" if judged else ""
        content.update(f"{one.ticket} {one.at.isoformat()} {sorted(one.labels.items())} {one.length}{said}\n".encode())
    return content.hexdigest()[:12]


def _observed(record: DecisionRecord, verdict: HumanVerdict | None) -> Observation:
    confidences = [f.confidence for f in record.fusion.values() if f.confidence is not None]
    score = record.verdict.score if record.verdict else None
    right, gap = _judged(record, verdict) if verdict else (UNKNOWN, UNKNOWN)
    return Observation(
        ticket=record.ticket_id,
        at=record.at,
        text=f"{record.subject}\n{record.body}".strip(),
        language=record.language,
        labels={name: fused.label for name, fused in record.fusion.items()},
        rejected=record.outcome == "escalated",
        confidence=sum(confidences) / len(confidences) if confidences else UNKNOWN,
        score=UNKNOWN if score is None else score,
        right=right,
        gap=gap,
    )


def _judged(record: DecisionRecord, verdict: HumanVerdict) -> tuple[float, float]:
    """`right` and `gap`; a rejection says that the triage is wrong, but not which confidence was too high."""
    if verdict.action == "rejected":
        return 0.0, UNKNOWN
    fields = [f for f in verdict.labels if f in record.fusion]
    if not fields:
        return UNKNOWN, UNKNOWN
    right = sum(verdict.labels[f] == record.fusion[f].label for f in fields) / len(fields)
    return right, right - sum(record.fusion[f].confidence or 0.0 for f in fields) / len(fields)
