"""The journal: everything that was decided and done, append-only, in one SQLite file.

One process writes, any number read meanwhile. A batch is appended whole or not at all. Each thread opens its own Journal.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from observability.database import damaged, open_database, storage_errors
from observability.outbox import PendingWrite, pending_writes, processed
from observability.records import (
    DecisionRecord,
    HumanVerdict,
    LaterChange,
    Record,
    RunFinished,
    RunStarted,
    parse_record,
)
from observability.reviews import Decided, Review, judged_bodies, newest_word, reviews
from observability.uses import Shown, shown

PAGE = 500
"""Records read at a time; between pages no read transaction is held, so the write-ahead log can be folded in."""
_INSERT = "INSERT INTO records (at, run, kind, ticket_id, revision, state, body) VALUES (?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class RunEntry:
    """A run as the journal knows it; `finished` is None while it goes on, or where it was killed."""

    started: RunStarted
    finished: RunFinished | None = None

    @property
    def run(self) -> str:
        """The run's id."""
        return self.started.run


@dataclass(frozen=True, slots=True)
class Sequenced:
    """A record with its place in the journal; `seq` grows by commit, so it serves as a cursor."""

    seq: int
    record: Record


class Journal:
    """The journal at `path`, made where there is none. A context manager; not to be shared between threads.

    Args:
        path: the SQLite file, on a local disk.
        wait_seconds: how long an append waits for another process that is writing.

    Raises:
        StorageError: by any method, where the file is damaged, locked, full or can't be used; the remedy says what to do.
    """

    def __init__(self, path: Path, *, wait_seconds: float = 5.0) -> None:
        self.path = path
        self._db = open_database(path, wait_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Fold the write-ahead log into the file (the last to close does) and let go of it."""
        with storage_errors(self.path):
            self._db.close()

    def append(self, records: Sequence[Record]) -> None:
        """Add records in their order, durably, all of them or none."""
        rows = [_row(record) for record in records]
        with storage_errors(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(_INSERT, rows)
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk may have rolled it back already
                    self._db.execute("ROLLBACK")
                raise

    def records(self, *, run: str | None = None, kind: str | None = None, ticket_id: str | None = None) -> Iterator[Record]:
        """The records that match all that is given, oldest first, up to the newest there is when the reading begins."""
        for seq, body in self._bodies(run=run, kind=kind, ticket_id=ticket_id):
            yield self._parse(seq, body)

    def tail(self, after: int = 0, limit: int = 1000) -> list[Sequenced]:
        """The next `limit` records whose `seq` is greater than `after`; an empty list where there is none yet."""
        with storage_errors(self.path):
            rows = self._db.execute("SELECT seq, body FROM records WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)).fetchall()
        return [Sequenced(seq, self._parse(seq, body)) for seq, body in rows]

    def runs(self) -> list[RunEntry]:
        """All runs, oldest first."""
        finished = {record.run: record for record in self.records(kind="run_finished") if isinstance(record, RunFinished)}
        started = (record for record in self.records(kind="run_started") if isinstance(record, RunStarted))
        return [RunEntry(record, finished.get(record.run)) for record in started]

    def latest_run(self) -> RunEntry | None:
        """The run that was started last, dry or not; None where there was none."""
        runs = self.runs()
        return runs[-1] if runs else None

    def processed(self, tickets: Iterable[tuple[str, str]], *, source: str | None = None) -> set[tuple[str, str]]:
        """Those (ticket id, revision) of `tickets` on which nothing is left to do; see `observability.outbox`.

        With `source` only the runs over that source count.
        """
        with storage_errors(self.path):
            return processed(self._db, tickets, source)

    def pending_writes(self, *, source: str | None = None) -> list[PendingWrite]:
        """The outbox, oldest first: decisions that were to be written and of which no final state is known."""
        with storage_errors(self.path):
            return pending_writes(self._db, source, self._parse)

    def reviews(self, ticket_id: str | None = None, *, only: Decided = "all", part: str = "", most: int = -1) -> list[Review]:
        """Every decided ticket, or one, with what people have said of it, the oldest decision first.

        `only` those that were held back or accepted, only with `part` in their id, at `most` so many, the newest (-1: all).
        """
        with storage_errors(self.path):
            return reviews(self._db, ticket_id, self._parse, only=only, part=part, most=most)

    def about_judged(self) -> Iterator[Record]:
        """The decisions, verdicts and notes of the tickets that somebody judged, oldest first."""
        with storage_errors(self.path):
            rows = judged_bodies(self._db)
        for seq, body in rows:
            yield self._parse(seq, body)

    def shown(self) -> Iterator[Shown]:
        """Each ticket's latest live decision with its evidence and what was said of it, the oldest first."""
        with storage_errors(self.path):
            yield from shown(self._db, self._parse)

    def said(self) -> int:
        """The place of the newest thing that a person said, 0 where nobody has: what was read before is stale where it grows."""
        with storage_errors(self.path):
            return newest_word(self._db)

    def export(self, path: Path, *, run: str | None = None) -> int:
        """Write the records (of one run) to `path` as JSON lines, replacing it when complete; returns how many."""
        draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
        count = 0
        with storage_errors(path):
            try:
                with draft.open("w", encoding="utf-8", newline="\n") as lines:
                    for _, body in self._bodies(run=run):
                        lines.write(f"{body}\n")
                        count += 1
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)
        return count

    def _bodies(self, **equal: str | None) -> Iterator[tuple[int, str]]:
        """(seq, body) of the rows whose named columns equal what is given (None: any), read page by page."""
        given = {column: value for column, value in equal.items() if value is not None}
        where = "".join(f"{column} = :{column} AND " for column in given)
        bounds = "seq > :after AND seq <= :newest"
        page = f"SELECT seq, body FROM records WHERE {where}{bounds} ORDER BY seq LIMIT {PAGE}"  # noqa: S608 - our own names
        newest, after = self.newest(), 0
        while True:
            with storage_errors(self.path):
                rows = self._db.execute(page, {**given, "after": after, "newest": newest}).fetchall()
            yield from rows
            if len(rows) < PAGE:
                return
            after = rows[-1][0]

    @property
    def name(self) -> str:
        """Tells this journal from every other: eight characters of its first record's SHA-256; "" while it is empty."""
        with storage_errors(self.path):
            first = self._db.execute("SELECT body FROM records ORDER BY seq LIMIT 1").fetchone()
        return hashlib.sha256(first[0].encode()).hexdigest()[:8] if first else ""

    def newest(self) -> int:
        """The place of the newest record, 0 where there is none."""
        with storage_errors(self.path):
            return int(self._db.execute("SELECT coalesce(max(seq), 0) FROM records").fetchone()[0])

    def _parse(self, seq: int, body: str) -> Record:
        try:
            return parse_record(body)
        except ValidationError as error:
            raise damaged(self.path, f"record {seq} can't be read ({error.error_count()} errors)") from error


def _row(record: Record) -> tuple[str, str, str, str | None, str | None, str, str]:
    """The columns that are searched by, and the record itself; `at` always has microseconds, so that text order is time order."""
    on_ticket = None if isinstance(record, RunStarted | RunFinished) else record
    return (
        record.at.isoformat(timespec="microseconds"),
        record.run,
        record.kind,
        on_ticket.ticket_id if on_ticket else None,
        on_ticket.revision if on_ticket else None,
        state_of(record),
        record.model_dump_json(),
    )


def state_of(record: Record) -> str:
    """Outcome of a decision, action of a verdict, what was changed later, live or dry_run for a run's start, else the state."""
    if isinstance(record, RunStarted):
        return "dry_run" if record.dry_run else "live"
    if isinstance(record, DecisionRecord):
        return record.outcome
    if isinstance(record, LaterChange):
        return record.what
    return record.action if isinstance(record, HumanVerdict) else record.state
