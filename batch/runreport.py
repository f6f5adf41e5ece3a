"""A run's report, from the journal alone: it can be made again at any time."""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from batch.comment import reasons
from core.errors import InputError
from core.resolution import GROUP_FIELD
from core.triage import Reason
from core.words import say
from observability.journal import Journal, RunEntry
from observability.records import DecisionRecord, ReasonGiven, WritebackRecord

if TYPE_CHECKING:
    from experts.fitted import Fitted

LANGUAGES = ("en", "es")
UNWRITTEN = ("conflict", "failed")
"""A person had changed the ticket meanwhile; the desk did not take it. What a run tried again for an earlier one counts too."""
REVIEW_COLUMNS = ("ticket", "outcome", "score", "why", "proposed", "resolution", "summary")


def find_run(journal: Journal, name: str | None) -> RunEntry:
    """A run by name, or by the beginning of its name; the latest where none is named.

    Raises:
        InputError: there is no such run, or no run at all.
    """
    runs = journal.runs()
    found = [entry for entry in runs if name is None or name == "last" or entry.run.startswith(name)]
    if not found:
        known = ", ".join(entry.run for entry in runs[-5:]) or "none yet"
        raise InputError(f"There is no run {name or ''}.".replace(" .", "."), remedy=f"Runs in the journal: {known}.")
    return found[-1]


def thresholds_of(fitted: "Fitted") -> dict[str, Any]:
    """Each field's threshold as the report has it."""
    return {name: {**asdict(threshold), "holds": threshold.holds} for name, threshold in fitted.thresholds.items()}


def build_report(
    journal: Journal,
    entry: RunEntry,
    thresholds: Mapping[str, Any] | None = None,
    problems: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The report's JSON document (see `batch.report_models`).

    Args:
        thresholds: those of the fit by field, with what would improve them; without, as far as the decisions noted them.
        problems: row, field, message and remedy of each row that could not be read; the journal does not hold these.
    """
    decisions = [r for r in journal.records(run=entry.run, kind="decision") if isinstance(r, DecisionRecord)]
    writes = {
        (r.ticket_id, r.revision): r for r in journal.records(run=entry.run, kind="writeback") if isinstance(r, WritebackRecord)
    }
    unwritten = [write for write in writes.values() if write.state in UNWRITTEN]
    finished = entry.finished
    totals = dict(finished.totals) if finished else {}
    return {
        "run": entry.run,
        "started": entry.started.at.isoformat(),
        "finished": finished.at.isoformat() if finished else None,
        "source": entry.started.source,
        "dry_run": entry.started.dry_run,
        "totals": {**_outcomes(decisions), "unreadable": len(problems), "written": totals.get("written", 0),
                   "already_done": totals.get("already_done", 0), "settled": totals.get("settled", 0),
                   **{state: sum(write.state == state for write in unwritten) for state in UNWRITTEN}},
        "causes": _causes(decisions),
        "tickets_per_second": finished.tickets_per_second if finished else None,
        "seconds": dict(finished.seconds) if finished else {},
        "tickets": [_ticket(record, writes.get((record.ticket_id, record.revision))) for record in decisions],
        "unwritten": [{"id": write.ticket_id, "state": write.state, "error": write.error} for write in unwritten],
        "groups": _groups(decisions),
        "thresholds": dict(thresholds or _thresholds_used(decisions)),
        "versions": entry.started.versions.model_dump(),
        "problems": list(problems),
    }  # fmt: skip


def review_list(report: Mapping[str, Any], language: str) -> str:
    """What a person has to look at, as CSV text: everything escalated or suggested, least certain first."""
    waiting = [t for t in report["tickets"] if t["outcome"] != "accepted"]
    rows = sorted(waiting, key=lambda t: (t["outcome"] != "escalated", t["score"] if t["score"] is not None else -1.0))
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(REVIEW_COLUMNS)
    for ticket in rows:
        why = "; ".join(cause[language] for cause in ticket["causes"])
        fields = "; ".join(f"{name} = {f['label']} ({f['confidence']:.2f})" for name, f in ticket["fields"].items())
        resolution = ticket["resolution"]["text"] if ticket["resolution"] else ""
        score = "" if ticket["score"] is None else f"{int(ticket['score'])}"
        writer.writerow(map(_plain, (ticket["id"], ticket["outcome"], score, why, fields, resolution, ticket["summary"])))
    return out.getvalue()


def _plain(cell: str) -> str:
    """A cell that a spreadsheet would take for a formula gets a quote before it."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _outcomes(decisions: Sequence[DecisionRecord]) -> dict[str, int]:
    counts = Counter(record.outcome for record in decisions)
    return {"tickets": len(decisions), **{name: counts[name] for name in ("accepted", "suggested", "escalated")}}


def _thresholds_used(decisions: Iterable[DecisionRecord]) -> dict[str, Any]:
    used = {name: threshold for record in decisions for name, threshold in record.thresholds.items()}
    return {name: {**threshold.model_dump(), "holds": threshold.value is not None} for name, threshold in used.items()}


def _causes(decisions: Iterable[DecisionRecord]) -> list[dict[str, Any]]:
    """The first cause of each escalation, by code; the values of the first ticket with it serve as an example."""
    count: Counter[str] = Counter()
    example: dict[str, ReasonGiven] = {}
    for record in decisions:
        if record.outcome == "escalated" and record.causes:
            cause = record.causes[0]
            count[cause.code] += 1
            example.setdefault(cause.code, cause)
    return [{"code": code, "text": _summed_up(example[code]), "count": n} for code, n in count.most_common()]


def _summed_up(cause: ReasonGiven) -> dict[str, str]:
    """A cause without the values of one ticket: "the critic gives it … of 100"."""
    values = {name: value if name == "approve_at" else "…" for name, value in cause.values.items()}
    return {language: say(Reason(cause.code, values), language) for language in LANGUAGES}


def _said(given: Sequence[ReasonGiven]) -> list[dict[str, str]]:
    by_language = {language: reasons(given, language) for language in LANGUAGES}
    return [dict(zip(LANGUAGES, pair, strict=True)) for pair in zip(*by_language.values(), strict=True)]


def _ticket(record: DecisionRecord, write: WritebackRecord | None) -> dict[str, Any]:
    resolution = record.resolution
    return {
        "id": record.ticket_id,
        "revision": record.revision,
        "summary": record.summary or record.subject,
        "language": record.language,
        "outcome": record.outcome,
        "score": record.verdict.score if record.verdict else None,
        "fields": {
            name: {
                "label": f.label,
                "confidence": f.confidence,
                "mode": "autofill" if name in record.written else "suggest" if f.mode == "autofill" else str(f.mode),
                "evidence": list(f.evidence),
                "distribution": dict(f.distribution),
            }
            for name, f in record.fusion.items()
        },
        "resolution": None
        if resolution is None
        else {**resolution.model_dump(exclude={"exemplar", "reason"}), "exemplar_id": resolution.exemplar},
        "priority": record.priority,
        "causes": _said(record.causes),
        "reasons": _said(record.verdict.reasons) if record.verdict else [],
        "write": write.state if write else "none",
        "attempt": record.attempt,
    }


def _groups(decisions: Iterable[DecisionRecord]) -> dict[str, dict[str, int]]:
    groups: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(("accepted", "suggested", "escalated"), 0))
    for record in decisions:
        proposed = record.fusion.get(GROUP_FIELD)
        groups[proposed.label if proposed else "–"][record.outcome] += 1
    return dict(sorted(groups.items(), key=lambda item: -sum(item[1].values())))
