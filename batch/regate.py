"""A recorded decision through the gate again, with other thresholds or another mark for the critic, without any model.

That is exact as long as the tickets' way up to the gate would have been the same. The gate decides on what the record holds:
labels, confidences, evidence, the critic's score and doubts. Thresholds change nothing before it. The mark does in two cases,
because a rejected triage may be tried again without the exemplars that the critic suspects:

- it was approved and would now be rejected, while revisions were left: it would have been tried again, unless it is known that
  the critic suspected none of its neighbours;
- it is a revision, and the mark is lowered: an earlier attempt, which the journal does not hold, might have been enough.

Then there is no answer here (None), and likewise where the record can't be reproduced as it was: with its own thresholds and
mark, and today's taxonomy, the gate has to give the recorded outcome.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from core.gate import NEVER, Threshold
from core.pipeline import gated
from core.taxonomy import Taxonomy
from core.triage import Accepted, Escalated, Outcome, Proposal, Resolution, Suggested, Triage, Verdict
from observability.records import DecisionRecord, OutcomeName, RunStarted

OUTCOMES: Mapping[type[Outcome], OutcomeName] = {Accepted: "accepted", Suggested: "suggested", Escalated: "escalated"}


@dataclass(frozen=True, slots=True)
class Result:
    """What was decided: the outcome, the label of each field, the fields that were filled in, and the first cause's code."""

    outcome: OutcomeName
    labels: Mapping[str, str]
    written: tuple[str, ...] = ()
    score: float | None = None
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Gate:
    """What the gate is to be: thresholds by field (those that are not named stay), and the critic's mark (None: stays)."""

    thresholds: Mapping[str, float]
    approve_at: float | None = None


def recorded(record: DecisionRecord) -> Result:
    """What the record says was decided."""
    return Result(
        record.outcome,
        {name: fused.label for name, fused in record.fusion.items()},
        record.written,
        record.verdict.score if record.verdict else None,
        record.causes[0].code if record.causes else "",
    )


def result_of(outcome: Outcome) -> Result:
    """What an outcome says is decided."""
    return Result(
        OUTCOMES[type(outcome)],
        outcome.triage.labels if outcome.triage else {},
        outcome.written if isinstance(outcome, Accepted) else (),
        _finite(outcome.verdict.score) if outcome.verdict else None,
        "" if isinstance(outcome, Accepted) or not outcome.causes else outcome.causes[0].code,
    )


def regated(
    record: DecisionRecord, started: RunStarted, taxonomy: Taxonomy, gate: Gate, suspects: Collection[str] | None = None
) -> Result | None:
    """The decision with another gate; None where only the pipeline can tell.

    `suspects` are the exemplars that the critic of that run suspected, None where nobody knows any more.
    """
    if record.verdict is None:  # it never came to the gate, and no gate changes that
        return recorded(record)
    was = _number(started, "critic.approve_at")
    if was is None or started.versions.taxonomy_digest != taxonomy.digest:
        return None
    if _same(_through(record, taxonomy, _thresholds(record, {}), was), record) is None:
        return None
    mark = was if gate.approve_at is None else gate.approve_at
    clean = suspects is not None and not {n.exemplar for n in record.neighbours} & set(suspects)
    if not _same_way(record, was, mark, 0.0 if clean else _number(started, "critic.max_revisions")):
        return None
    return result_of(_through(record, taxonomy, _thresholds(record, gate.thresholds), mark))


def _same_way(record: DecisionRecord, was: float, mark: float, revisions: float | None) -> bool:
    """Whether all attempts would have been the same ones; `revisions` is how many it could have had."""
    if record.attempt and mark < was:
        return False
    score = record.verdict.score if record.verdict else None
    newly_rejected = score is not None and was <= score < mark
    return not newly_rejected or (revisions is not None and record.attempt >= revisions)


def _through(record: DecisionRecord, taxonomy: Taxonomy, thresholds: Mapping[str, Threshold], mark: float) -> Outcome:
    verdict = record.verdict
    score = math.nan if verdict is None or verdict.score is None else verdict.score
    proposals = {
        name: Proposal(name, f.label, math.nan if f.confidence is None else f.confidence, {}, f.evidence)
        for name, f in record.fusion.items()
    }
    triage = Triage(record.ticket_id, record.revision, proposals, Resolution("manual"), attempt=record.attempt)
    judged = Verdict(score, (), verdict.doubts if verdict else ())
    return gated(triage, judged, taxonomy, thresholds, approve_at=mark, evidence=bool(record.neighbours))


def _thresholds(record: DecisionRecord, changed: Mapping[str, float]) -> dict[str, Threshold]:
    used = {name: Threshold(NEVER if t.value is None else t.value, t.target or 0.0, t.n) for name, t in record.thresholds.items()}
    return used | {name: Threshold(value, 0.0, 0) for name, value in changed.items() if name in record.fusion}


def _same(outcome: Outcome, record: DecisionRecord) -> Outcome | None:
    found = result_of(outcome)
    return outcome if (found.outcome, found.written) == (record.outcome, record.written) else None


def _number(started: RunStarted, name: str) -> float | None:
    try:
        return float(str(started.settings[name]))
    except (KeyError, ValueError):
        return None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
