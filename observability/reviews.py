"""What people have to look at and what they said, read from the journal.

A ticket waits where its latest decision (of a live run, never a dry one) was suggested or escalated and no verdict that stands
came after it. A verdict stands until it is taken back; of several on one ticket the last one that stands counts.
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from observability.records import DecisionRecord, HumanVerdict, Record, ReviewNote, WritebackRecord, readable

Parse: TypeAlias = Callable[[int, str], Record]
"""Reads the record of (seq, body)."""
ReviewState: TypeAlias = Literal["waiting", "skipped", "judged", "accepted"]

_LIVE = "run IN (SELECT run FROM records WHERE kind = 'run_started' AND state = 'live')"
_LATEST = f"""
SELECT max(seq) AS last, (SELECT json_extract(s.body, '$.source') FROM records s WHERE s.run = r.run AND s.kind = 'run_started')
FROM records r INDEXED BY records_ticket
WHERE ticket_id IS NOT NULL AND kind = 'decision' AND {_LIVE} AND (:ticket IS NULL OR ticket_id = :ticket)
GROUP BY ticket_id HAVING NOT :held OR r.state <> 'accepted' ORDER BY last"""  # noqa: S608 - no value is put into it
_AFTER = """
SELECT seq, body FROM records INDEXED BY records_ticket
WHERE ticket_id = :ticket AND kind IN ('human_verdict', 'review_note', 'writeback') AND state <> 'dry_run' ORDER BY seq"""
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
        if standing(later) is not None:
            return "judged"
        if self.decision.outcome == "accepted":
            return "accepted"
        return "skipped" if any(isinstance(r, ReviewNote) and r.state == "skipped" for r in later) else "waiting"

    @property
    def revision(self) -> str:
        """The revision that the desk should have, after what was written since the decision."""
        made = [
            r.new_revision for r in self.history[self.since :] if isinstance(r, WritebackRecord | ReviewNote) and r.new_revision
        ]
        return made[-1] if made else self.decision.revision

    @property
    def owed(self) -> HumanVerdict | None:
        """The verdict on this decision that stands and that the desk has not been told of; one on an earlier text is not owed."""
        verdict = standing(self.history[self.since :])
        told = {r.verdict for r in self.history if isinstance(r, ReviewNote) and r.state in {"written", "already", "conflict"}}
        return verdict if verdict and verdict.labels and verdict.digest not in told else None


def standing(history: Sequence[Record]) -> HumanVerdict | None:
    """The last verdict that was not taken back."""
    undone = {r.verdict for r in history if isinstance(r, ReviewNote) and r.state == "undone"}
    left = [r for r in history if isinstance(r, HumanVerdict) and r.digest not in undone]
    return left[-1] if left else None


def reviews(db: sqlite3.Connection, ticket_id: str | None, parse: Parse, *, held: bool) -> list[Review]:
    """Every decided ticket, or one; with `held` only those whose latest decision was not accepted."""
    asked = {"ticket": None if ticket_id is None else readable(ticket_id), "held": held}
    found = []
    for seq, source in db.execute(_LATEST, asked).fetchall():
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
