"""What is done and what is left to do, read from the journal: the last word on a (ticket, revision) decides.

Only live runs count, never dry ones, and a run without its RunStarted is not known to be live.

| last record of the (ticket, revision)      | processed | pending write |
|--------------------------------------------|-----------|---------------|
| decision: escalated                        | yes       | no            |
| decision: accepted or suggested            | no        | no            |
| writeback: written, already                | yes, and so is the revision that our write made | no |
| writeback: skipped, conflict               | yes       | no            |
| writeback: intended, failed                | no        | yes           |

So a run appends its decisions together with the intentions to write them, settles the outbox of earlier runs first, and
notes `skipped` where an accepted or suggested decision has nothing to write. A conflict is done: the change that caused
it made a new revision, which is new work. A later decision replaces an intention that was never carried out.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from observability.masking import mask_text
from observability.records import DecisionRecord, Record, WritebackRecord, readable

Parse: TypeAlias = Callable[[int, str], Record]
"""Reads the record of (seq, body)."""

FINAL = frozenset(("written", "already", "skipped", "conflict"))
DONE = FINAL | {"escalated"}
"""States after which nothing is left to do on a (ticket, revision)."""

_LIVE = """
run IN (
    SELECT run FROM records
    WHERE kind = 'run_started' AND state = 'live' AND (:source IS NULL OR json_extract(body, '$.source') = :source)
)"""
_STEPS = f"""
SELECT ticket_id, revision, state,
       CASE WHEN state IN ('written', 'already') THEN json_extract(body, '$.new_revision') ELSE '' END
FROM records INDEXED BY records_ticket
WHERE ticket_id IN (SELECT value FROM json_each(:ids)) AND kind IN ('decision', 'writeback') AND state <> 'dry_run' AND {_LIVE}
ORDER BY seq"""  # noqa: S608 - no value is put into it
_OPEN = f"""
SELECT last, (SELECT body FROM records WHERE seq = last), tries
FROM (
    SELECT max(seq) AS last, state, sum(state = 'failed') AS tries
    FROM records INDEXED BY records_ticket
    WHERE ticket_id IS NOT NULL AND kind IN ('decision', 'writeback') AND state <> 'dry_run' AND {_LIVE}
    GROUP BY ticket_id, revision
)
WHERE state IN ('intended', 'failed')
ORDER BY last"""  # noqa: S608 - no value is put into it
_DECISIONS = f"""
SELECT seq, body FROM records
WHERE ticket_id = :ticket_id AND revision = :revision AND kind = 'decision' AND {_LIVE}
ORDER BY seq DESC"""  # noqa: S608 - no value is put into it


@dataclass(frozen=True, slots=True)
class PendingWrite:
    """A write that is still owed: the decision, the last that was noted of it, and how often it has failed."""

    decision: DecisionRecord
    last: WritebackRecord
    tries: int


def processed(db: sqlite3.Connection, tickets: Iterable[tuple[str, str]], source: str | None) -> set[tuple[str, str]]:
    """Those of `tickets` on which nothing is left to do, by the table above."""
    asked = {(readable(ticket), readable(revision)): (ticket, revision) for ticket, revision in tickets}
    ids = json.dumps(sorted({ticket for ticket, _ in asked}))
    done: dict[tuple[str, str], bool] = {}
    for ticket, revision, state, new_revision in db.execute(_STEPS, {"ids": ids, "source": _named(source)}):
        done[ticket, revision] = state in DONE
        if new_revision:
            done[ticket, new_revision] = True
    return {original for pair, original in asked.items() if done.get(pair)}


def pending_writes(db: sqlite3.Connection, source: str | None, parse: Parse) -> list[PendingWrite]:
    """The writes still owed, by the table above, oldest first; one whose decision is not in the journal can't be retried."""
    found = []
    for seq, body, tries in db.execute(_OPEN, {"source": _named(source)}).fetchall():
        last = parse(seq, body)
        if isinstance(last, WritebackRecord) and (decision := _decision(db, last, source, parse)):
            found.append(PendingWrite(decision, last, tries))
    return found


def _decision(db: sqlite3.Connection, last: WritebackRecord, source: str | None, parse: Parse) -> DecisionRecord | None:
    """The newest decision that a writeback names by its digest."""
    values = {"ticket_id": last.ticket_id, "revision": last.revision, "source": _named(source)}
    for seq, body in db.execute(_DECISIONS, values).fetchall():
        decision = parse(seq, body)
        if isinstance(decision, DecisionRecord) and decision.digest == last.decision:
            return decision
    return None


def _named(source: str | None) -> str | None:
    """A source as `RunStarted` keeps it."""
    return None if source is None else mask_text(readable(source))
