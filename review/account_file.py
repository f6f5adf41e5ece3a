"""The file that accounts, sessions and the audit log are kept in: SQLite, readable by its owner only."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

from core.errors import StorageError

AuditWhat: TypeAlias = Literal[
    "signed_in", "refused", "throttled", "signed_out", "added", "role", "password", "disabled", "enabled", "verdict", "night"
]
_FORMAT = 1
_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE users (
    name TEXT PRIMARY KEY COLLATE NOCASE,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'reviewer', 'admin')),
    password TEXT NOT NULL,  -- argon2id; '' where the person signs in at the provider
    subject TEXT UNIQUE,  -- issuer and subject at the provider
    disabled INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE sessions (
    token TEXT PRIMARY KEY,  -- SHA-256 of it
    user TEXT NOT NULL REFERENCES users(name),
    began REAL NOT NULL,
    seen REAL NOT NULL
);
CREATE TABLE attempts (at REAL NOT NULL, name TEXT NOT NULL, address TEXT NOT NULL);  -- name: SHA-256 of what was typed
CREATE TABLE journeys (token TEXT PRIMARY KEY, began REAL NOT NULL, body TEXT NOT NULL);  -- to the provider and back
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY, at REAL NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, about TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
-- INSERT OR REPLACE deletes without firing the trigger above
CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
PRAGMA user_version = 1;
COMMIT;"""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the log: `who` did `what` to `about`; `who` is "" where nobody was signed in."""

    at: datetime
    who: str
    what: str
    about: str
    detail: str


@contextmanager
def account_file(path: Path) -> Iterator[sqlite3.Connection]:
    """The file, made where there is none. What is done within the block is one transaction.

    Raises:
        StorageError: it can't be used, is damaged, or another version of Tamiz wrote it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=5.0, isolation_level=None)) as db:
            _prepare(db, path)
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
        raise  # the caller's mistake, not the file's
    except (sqlite3.DatabaseError, OSError) as error:
        remedy = "Check its folder, permissions and the disk; put back a copy where it is damaged."
        raise StorageError(f"The accounts in {path} can't be used: {error}.", remedy=remedy) from error


def note(db: sqlite3.Connection, who: str, what: AuditWhat, about: str = "", detail: str = "") -> None:
    """Add a line to the log."""
    db.execute("INSERT INTO audit (at, who, what, about, detail) VALUES (?, ?, ?, ?, ?)", (time.time(), who, what, about, detail))


def audit(db: sqlite3.Connection, limit: int) -> list[AuditEntry]:
    """The newest lines, the newest first."""
    rows = db.execute("SELECT at, who, what, about, detail FROM audit ORDER BY seq DESC LIMIT ?", (limit,)).fetchall()
    return [AuditEntry(datetime.fromtimestamp(at, UTC), *rest) for at, *rest in rows]


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    if _version(db) == 0:
        try:
            db.executescript(_SCHEMA)
        except sqlite3.OperationalError:  # somebody else has made it meanwhile
            if db.in_transaction:
                db.execute("ROLLBACK")
            if _version(db) == 0:
                raise
    if _version(db) != _FORMAT:
        raise StorageError(
            f"The accounts in {path} have format {_version(db)}; this version reads {_FORMAT}.",
            remedy="Use the version of Tamiz that wrote them.",
        )


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])
