"""One SQLite file behind each mock: WAL, one connection, explicit transactions.

A mock's endpoints run on one event loop and never await inside a transaction, so one connection serves them all in turn.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from core.errors import StorageError

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",  # survives a killed process; only a power cut can lose the last commits
    "PRAGMA busy_timeout = 5000",
    "PRAGMA foreign_keys = ON",
)


def open_database(path: Path, schema: str) -> sqlite3.Connection:
    """The database at `path`, made with `schema` (idempotent SQL) where it is new. Raises StorageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in _PRAGMAS:
            db.execute(pragma)
        db.executescript(schema)
    except (OSError, sqlite3.Error) as error:
        message = f"The state file {path} can't be used: {error}."
        raise StorageError(message, remedy="Name another folder with --state, or delete that file to start anew.") from error
    return db


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of the block or nothing of it. Raises StorageError where the file can't be written."""
    try:
        db.execute("BEGIN IMMEDIATE")
        try:
            yield
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:  # a full disk has ended it already
                db.execute("ROLLBACK")
            raise
    except sqlite3.DatabaseError as error:
        raise StorageError(f"The state can't be written: {error}.", remedy="Make room on the disk, then try again.") from error


def clear(db: sqlite3.Connection) -> None:
    """Empty every table, also under a mock that is running on the same file."""
    names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
    with transaction(db):
        db.execute("PRAGMA defer_foreign_keys = ON")
        for name in names:
            db.execute(f'DELETE FROM "{name}"')  # noqa: S608 - the names come from the schema above, not from outside


def now() -> str:
    """The time in UTC, ISO 8601, always with microseconds, so that text order is time order."""
    return stamp(datetime.now(UTC))


def stamp(moment: datetime) -> str:
    """A moment in the form of `now`; one without a zone is read as UTC."""
    try:
        known = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:  # the first and the last hours of the calendar have no other zone
        known = moment.replace(tzinfo=UTC)
    return known.isoformat(timespec="microseconds")
