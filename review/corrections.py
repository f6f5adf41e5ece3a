"""What people's verdicts say about tickets, as exemplars: searched at once, and learned from later."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from core.taxonomy import Taxonomy
from core.ticket import Exemplar
from knowledge.ingest import exemplar_id
from observability.records import DecisionRecord, HumanVerdict, Record, ReviewNote

JOURNAL = "journal"
"""The source of an exemplar that comes from a person's verdict alone."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The journal's part: a row for each judged ticket, and how many labels no taxonomy knows."""

    rows: tuple[Exemplar, ...]
    unknown_labels: int


def judged(records: Iterable[Record], taxonomy: Taxonomy) -> Judged:
    """The tickets that a person judged, as exemplars. The newest verdict on a field counts, of those that stand and came after
    the last rejection; the text is the redacted one that was decided on, of the judged revision where the journal has it."""
    decisions: dict[tuple[str, str], DecisionRecord] = {}
    latest: dict[str, DecisionRecord] = {}
    verdicts: dict[str, list[HumanVerdict]] = {}
    undone: set[str] = set()
    for record in records:
        if isinstance(record, DecisionRecord):
            decisions[record.ticket_id, record.revision] = latest[record.ticket_id] = record
        elif isinstance(record, HumanVerdict):
            verdicts.setdefault(record.ticket_id, []).append(record)
        elif isinstance(record, ReviewNote) and record.state == "undone":
            undone.add(record.verdict)
    rows, unknown = [], 0
    for ticket, given in verdicts.items():
        if not (said := _standing(given, undone)):
            continue
        decision = decisions.get((ticket, said[-1].revision)) or latest.get(ticket)
        labels, missed = _confirmed(said, taxonomy)
        unknown += missed
        if decision is not None and labels and f"{decision.subject}{decision.body}".strip():
            rows.append(_row(decision, said, labels))
    return Judged(tuple(rows), unknown)


def _standing(verdicts: Sequence[HumanVerdict], undone: Collection[str]) -> list[HumanVerdict]:
    """Those not taken back, from after the last rejection on."""
    left = [verdict for verdict in verdicts if verdict.digest not in undone]
    rejected = [place for place, verdict in enumerate(left) if verdict.action == "rejected"]
    return left[rejected[-1] + 1 :] if rejected else left


def _confirmed(verdicts: Sequence[HumanVerdict], taxonomy: Taxonomy) -> tuple[dict[str, str], int]:
    given = {field: label for verdict in verdicts for field, label in verdict.labels.items()}
    matched = {f: taxonomy.match(f, label) if f in taxonomy.fields else None for f, label in given.items()}
    return {f: label for f, label in matched.items() if label}, sum(label is None for label in matched.values())


def _row(decision: DecisionRecord, verdicts: Sequence[HumanVerdict], labels: Mapping[str, str]) -> Exemplar:
    resolutions = [v.resolution.text for v in verdicts if v.resolution is not None]
    made = Exemplar(
        id="",
        subject=decision.subject,
        body=decision.body,
        language=decision.language,
        labels=dict(sorted(labels.items())),
        resolution=resolutions[-1] if resolutions else "",
        source=JOURNAL,
        source_id=decision.ticket_id,
        resolved_at=verdicts[-1].at.isoformat(),
    )
    return replace(made, id=exemplar_id(made))
