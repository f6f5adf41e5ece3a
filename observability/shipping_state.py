"""How far the journal has been shipped to one Loki: a small SQLite file for each journal and address under `<home>/loki`.

What is sent is written down first, byte by byte, and settled afterwards in one transaction. So a shipper that is killed at any
moment sends the same bytes again, which Loki stores once, and nothing is passed over.
"""

import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from core.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = "loki"
_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS shipping (
    id INTEGER PRIMARY KEY CHECK (id = 1), cursor INTEGER NOT NULL, shipped INTEGER NOT NULL, at TEXT NOT NULL);
INSERT OR IGNORE INTO shipping VALUES (1, 0, 0, '');
CREATE TABLE IF NOT EXISTS pending (
    id INTEGER PRIMARY KEY CHECK (id = 1), through INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS streams (labels TEXT PRIMARY KEY, newest INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS dead (seq INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, cause TEXT NOT NULL);
COMMIT;
"""
_REACHED = "INSERT INTO streams VALUES (?, ?) ON CONFLICT DO UPDATE SET newest = max(newest, excluded.newest)"


@dataclass(frozen=True, slots=True)
class Standing:
    """How far it is: the journal up to `cursor` is settled; `shipped` records are in Loki; `at` says when that last grew."""

    cursor: int = 0
    shipped: int = 0
    dead: int = 0
    at: str = ""


@dataclass(frozen=True, slots=True)
class Pending:
    """A push that was written down and is not settled: its gzipped body, and how far the journal is settled after it."""

    through: int
    body: bytes


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that Loki refused, by its place in the journal, with when and why."""

    seq: int
    at: str
    kind: str
    cause: str


class ShippingState:
    """The state at `path`, made where there is none, and held against every other shipper until it is closed.

    Raises:
        StorageError: by any method, where another shipper is at work or the file can't be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(path.with_suffix(".lock"))
            try:
                self._db = sqlite3.connect(path, isolation_level=None)
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = FULL")
                self._db.executescript(_SCHEMA)
            except BaseException:
                os.close(self._lock)
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with _storage_errors(self.path):
            self._db.close()
            os.close(self._lock)

    def standing(self) -> Standing:
        """How far it is."""
        with _storage_errors(self.path):
            return _standing(self._db)

    def pending(self) -> Pending | None:
        """The push that an earlier shipper may or may not have sent."""
        with _storage_errors(self.path):
            row = self._db.execute("SELECT through, body FROM pending").fetchone()
        return Pending(*row) if row else None

    def newest(self) -> dict[str, int]:
        """The newest timestamp, in nanoseconds, of each stream."""
        with _storage_errors(self.path):
            return dict(self._db.execute("SELECT labels, newest FROM streams"))

    def prepare(self, pending: Pending, newest: Mapping[str, int]) -> None:
        """Write down what is about to be sent, and the timestamps that its streams have reached with it."""
        with self._transaction():
            self._db.execute("INSERT INTO pending VALUES (1, ?, ?)", (pending.through, pending.body))
            self._db.executemany(_REACHED, newest.items())

    def settle(self, stored: Sequence[int], refused: Sequence[DeadLetter], at: str) -> None:
        """The pending push was answered: these records (`seq`) are in Loki, those were refused."""
        with self._transaction():
            self._db.execute("UPDATE shipping SET cursor = max(cursor, (SELECT through FROM pending))")
            self._db.execute("DELETE FROM pending")
            self._db.executemany("DELETE FROM dead WHERE seq = ?", ((seq,) for seq in stored))
            rows = ((one.seq, one.at, one.kind, one.cause) for one in refused)
            self._db.executemany("INSERT OR REPLACE INTO dead VALUES (?, ?, ?, ?)", rows)
            if stored:
                self._db.execute("UPDATE shipping SET shipped = shipped + ?, at = ?", (len(stored), at))

    def dead(self) -> list[DeadLetter]:
        """What Loki refused, in the order of the journal."""
        with _storage_errors(self.path):
            rows = self._db.execute("SELECT seq, at, kind, cause FROM dead ORDER BY seq").fetchall()
        return [DeadLetter(*row) for row in rows]

    @contextmanager
    def _transaction(self) -> "Iterator[None]":
        with _storage_errors(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise


def target(address: str, tenant: str = "") -> str:
    """Where logs go to, named: an address without credentials, and a tenant."""
    return f"{address} {tenant}".strip()


def state_path(home: Path, journal: str, to: str) -> Path:
    """Where the state of shipping the journal of this name to a target is kept."""
    return home / FOLDER / f"{journal}-{hashlib.sha256(to.encode()).hexdigest()[:8]}.sqlite"


def read_standing(path: Path) -> Standing:
    """How far shipping is, also while a shipper is at work; all zero where none ever was. Raises StorageError."""
    if not path.exists():
        return Standing()
    with _storage_errors(path), closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
        made = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'shipping'").fetchone()
        return _standing(db) if made else Standing()  # a shipper may be about to make it


def _standing(db: sqlite3.Connection) -> Standing:
    return Standing(*db.execute("SELECT cursor, shipped, (SELECT count(*) FROM dead), at FROM shipping").fetchone())


def _locked(path: Path) -> int:
    """A descriptor that holds the lock; the system lets go of it however the process ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        message = "Another process is shipping this journal to this Loki."
        raise StorageError(message, remedy="Let it finish, or end it; two would store records twice.") from error
    return descriptor


@contextmanager
def _storage_errors(path: Path) -> "Iterator[None]":
    try:
        yield
    except (OSError, sqlite3.DatabaseError) as error:
        raise StorageError(
            f"The state of shipping {path} can't be used: {error}.",
            remedy="Check the disk and its permissions. If it is damaged, put back a copy: without it all is sent again.",
        ) from error
