"""What people have to look at and what they said, read from the journal.

A ticket waits where its latest decision (of a live run, never a dry one) was suggested or escalated and no verdict that stands
came after it. A verdict stands until it is taken back; of several on one ticket the last one that stands counts.
It also waits, as doubted, where it was accepted or judged and somebody has changed what we wrote since (`LaterChange`).
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from observability.records import DecisionRecord, HumanVerdict, LaterChange, Record, ReviewNote, readable

Parse: TypeAlias = Callable[[int, str], Record]
"""Reads the record of (seq, body)."""
ReviewState: TypeAlias = Literal["waiting", "skipped", "judged", "accepted", "doubted"]
Decided: TypeAlias = Literal["all", "held", "accepted"]
"""What became of a ticket at its latest decision: `held` is all that was not accepted, or was changed later."""

_LIVE = "run IN (SELECT run FROM records WHERE kind = 'run_started' AND state = 'live')"
_LATEST = f"""
SELECT max(seq) AS last, (SELECT json_extract(s.body, '$.source') FROM records s WHERE s.run = r.run AND s.kind = 'run_started')
FROM records r INDEXED BY records_ticket
WHERE ticket_id IS NOT NULL AND kind = 'decision' AND {_LIVE} AND (:ticket IS NULL OR ticket_id = :ticket)
  AND instr(lower(ticket_id), lower(:part)) > 0
GROUP BY ticket_id HAVING :only = 'all' OR (r.state = 'accepted') = (:only = 'accepted') OR (
  :only = 'held' AND ticket_id IN (SELECT ticket_id FROM records INDEXED BY records_kind WHERE kind = 'later_change'))
ORDER BY last DESC LIMIT :most"""  # noqa: S608 - no value is put into it
_LATEST_OF_ONE = _LATEST.replace(
    "(:ticket IS NULL OR ticket_id = :ticket)", "ticket_id = :ticket"
)  # else the whole index is read
_AFTER = """
SELECT seq, body FROM records INDEXED BY records_ticket
WHERE ticket_id = :ticket AND kind IN ('human_verdict', 'review_note', 'writeback', 'later_change') AND state <> 'dry_run'
ORDER BY seq"""
_BODY = "SELECT body FROM records WHERE seq = :seq"
_NEWEST = "SELECT coalesce(max(seq), 0) FROM records INDEXED BY records_kind WHERE kind IN ('human_verdict', 'review_note')"

_JUDGED = """
SELECT seq, body FROM records INDEXED BY records_ticket
WHERE ticket_id IN (SELECT ticket_id FROM records INDEXED BY records_kind WHERE kind = 'human_verdict')
  AND kind IN ('decision', 'human_verdict', 'review_note') ORDER BY seq"""


@dataclass(frozen=True, slots=True)
class Review:
    """A ticket's latest decision, from `source`, and everything that was said and written of the ticket, oldest first."""

    decision: DecisionRecord
    seq: int
    source: str
    history: Sequence[Record]
    since: int
    """How many records of the history are older than the decision."""

    @property
    def verdict(self) -> HumanVerdict | None:
        """The verdict that stands, whenever it was given; None where there is none."""
        return standing(self.history)

    @property
    def state(self) -> ReviewState:
        """Where the ticket is on its way through review."""
        later = self.history[self.since :]
        if self.doubts and (self.verdict is not None or self.decision.outcome == "accepted"):
            put_off = [one for one in self.history if isinstance(one, ReviewNote) and one.state == "skipped"]
            return "skipped" if put_off and put_off[-1].at >= max(one.at for one in self.doubts) else "doubted"
        if standing(later) is not None:
            return "judged"
        if self.decision.outcome == "accepted":
            return "accepted"
        return "skipped" if any(isinstance(r, ReviewNote) and r.state == "skipped" for r in later) else "waiting"

    @property
    def revision(self) -> str:
        """The revision that the desk should have, after what was written and seen since the decision."""
        later = self.history[self.since :]
        known = (r.desk_revision if isinstance(r, LaterChange) else getattr(r, "new_revision", "") for r in later)
        made = [revision for revision in known if revision]
        return made[-1] if made else self.decision.revision

    @property
    def doubts(self) -> tuple[LaterChange, ...]:
        """What somebody changed at the desk since, the last change of each field, where no verdict came after it.

        Nothing is doubted where the label was set back, or where the latest decision says the same as the change; nor where
        one person handed the ticket to another, which says nothing of a label.
        """
        labels = {name: fused.label for name, fused in self.decision.fusion.items()}
        return tuple(one for one in unsettled(self.history) if contradicts(one, labels.get(one.field, "")))

    @property
    def owed(self) -> HumanVerdict | None:
        """The verdict on this decision that stands and that the desk has not been told of; one on an earlier text is not owed."""
        verdict = standing(self.history[self.since :])
        told = {r.verdict for r in self.history if isinstance(r, ReviewNote) and r.state in {"written", "already", "conflict"}}
        return verdict if verdict and verdict.labels and verdict.digest not in told else None

    @property
    def owed_undos(self) -> list[HumanVerdict]:
        """The verdicts taken back since this decision whose labels may still stand at the desk, the oldest first."""
        later = [r for r in self.history[self.since :] if isinstance(r, ReviewNote)]
        done = {r.undo for r in later if r.state in {"written", "already", "conflict"}}
        left = {r.verdict for r in later if r.state == "undone"} - done
        return [r for r in self.history if isinstance(r, HumanVerdict) and r.labels and r.digest in left]


def standing(history: Sequence[Record]) -> HumanVerdict | None:
    """The last verdict that was not taken back."""
    undone = _undone(history)
    left = [r for r in history if isinstance(r, HumanVerdict) and r.digest not in undone]
    return left[-1] if left else None


def unsettled(history: Sequence[Record]) -> list[LaterChange]:
    """The last change of each field at the desk that no standing verdict came after, neither in the journal nor at the desk."""
    left: dict[str, LaterChange] = {}
    settled: datetime | None = None
    undone = _undone(history)
    for record in history:
        if isinstance(record, HumanVerdict) and record.digest not in undone:
            left, settled = {}, record.at
        elif isinstance(record, LaterChange) and (settled is None or record.changed_at > settled):
            left[record.field] = record
    return list(left.values())


def contradicts(change: LaterChange, label: str) -> bool:
    """Whether a change says something else than what we wrote and than `label`, the latest that we decided."""
    if change.theirs:
        return change.theirs not in {change.ours, label}
    return change.what != "reassigned" or change.ours != ""


def _undone(history: Sequence[Record]) -> set[str]:
    return {r.verdict for r in history if isinstance(r, ReviewNote) and r.state == "undone"}


def reviews(
    db: sqlite3.Connection, ticket_id: str | None, parse: Parse, *, only: Decided = "all", part: str = "", most: int = -1
) -> list[Review]:
    """Every decided ticket, or one, or those with `part` in their id; the `most` newest, the oldest first."""
    asked = {"ticket": None if ticket_id is None else readable(ticket_id), "only": only, "part": readable(part), "most": most}
    found = []
    for seq, source in reversed(db.execute(_LATEST if ticket_id is None else _LATEST_OF_ONE, asked).fetchall()):
        decision = parse(seq, db.execute(_BODY, {"seq": seq}).fetchone()[0])
        if isinstance(decision, DecisionRecord):
            rows = db.execute(_AFTER, {"ticket": decision.ticket_id}).fetchall()
            history = [parse(at, body) for at, body in rows]
            found.append(Review(decision, seq, source or "", history, sum(at < seq for at, _ in rows)))
    return found


def newest_word(db: sqlite3.Connection) -> int:
    """The place of the newest verdict or note."""
    return int(db.execute(_NEWEST).fetchone()[0])


def judged_bodies(db: sqlite3.Connection) -> list[tuple[int, str]]:
    """(seq, body) of everything about the tickets that somebody judged."""
    return [(int(seq), str(body)) for seq, body in db.execute(_JUDGED)]
