"""The SQLite file behind the journal: made whole or not at all, checked when opened, its errors said in words.

synchronous = FULL: a batch is one transaction, so durability costs one flush per batch, and the intention to write must
be on disk before the desk is touched. With NORMAL a power cut could lose it, and with it the record of what was done.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from core.errors import StorageError

APPLICATION_ID = 0x54414D5A  # "TAMZ"
FORMAT = 1
SCHEMA = """
CREATE TABLE records (
    seq INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    run TEXT NOT NULL,
    kind TEXT NOT NULL,
    ticket_id TEXT,
    revision TEXT,
    state TEXT NOT NULL,  -- outcome of a decision, state of a writeback or run end, live or dry_run for a run's start
    body TEXT NOT NULL
);
CREATE INDEX records_run ON records(run);
CREATE INDEX records_kind ON records(kind);
CREATE INDEX records_ticket ON records(ticket_id, revision, kind, state, run);
CREATE TRIGGER records_no_update BEFORE UPDATE ON records BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER records_no_delete BEFORE DELETE ON records BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
-- INSERT OR REPLACE deletes without firing the trigger above
CREATE TRIGGER records_no_replace BEFORE INSERT ON records WHEN EXISTS (SELECT 1 FROM records WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
"""
_IDENTITY = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT};"
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, 0)  # 0: bytes that are no UTF-8, which Python finds, not SQLite
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


def open_database(path: Path, wait_seconds: float) -> sqlite3.Connection:
    """The journal's database at `path`, made where there is none; `wait_seconds` is how long to wait for another writer.

    Raises:
        StorageError: it can't be made or opened, is damaged, or is not a journal.
    """
    with storage_errors(path):
        if not path.exists():
            _create(path)
        if path.stat().st_size == 0:  # SQLite would take it for new, and drop its write-ahead log
            raise damaged(path, "it is empty")
        db = sqlite3.connect(path, timeout=wait_seconds, isolation_level=None)
        try:
            _check(db, path)
            db.execute("PRAGMA synchronous = FULL")
        except BaseException:
            db.close()
            raise
        return db


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system say about `path` into StorageErrors that tell what to do."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
        raise  # the caller's mistake, not the file's
    except sqlite3.DatabaseError as error:
        raise _storage_error(path, getattr(error, "sqlite_errorcode", 0) & 0xFF, str(error)) from error
    except OSError as error:
        raise StorageError(f"{path} can't be used: {error}.", remedy="Check the folder, its permissions and the disk.") from error


def damaged(path: Path, why: str) -> StorageError:
    """The error for a file that can't be read as a journal; it is never replaced by a new one."""
    return StorageError(
        f"The journal {path} is damaged: {why}.",
        remedy="It was left as it is: put back a copy, salvage it with `sqlite3 FILE .recover`, or move it away to start anew.",
    )


def _storage_error(path: Path, code: int, said: str) -> StorageError:
    """The error for SQLite's primary result code (https://www.sqlite.org/rescode.html)."""
    if code in _CORRUPT:
        return damaged(path, said)
    if code in _LOCKED:
        remedy = "Another process is writing to it: wait for it or end it, then try again."
    elif code in _NO_ROOM:
        remedy = "Nothing of this batch was written. Make room on the disk, then run again."
    else:
        remedy = "Check that the folder is on a local disk and may be written to."
    return StorageError(f"The journal {path} can't be used: {said}.", remedy=remedy)


def _create(path: Path) -> None:
    """Make an empty journal beside its place and link it in: a kill leaves no half-made file, a second maker changes nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    draft.unlink(missing_ok=True)
    try:
        draft.touch(mode=0o600)  # it will hold what people wrote; SQLite gives its side files the same mode
        with closing(sqlite3.connect(draft, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = WAL")  # kept in the file: readers go on while one process writes
            db.executescript(f"BEGIN; {SCHEMA} {_IDENTITY} COMMIT;")
        _publish(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _publish(draft: Path, path: Path) -> None:
    """Give the draft its name, unless somebody else's has it by now."""
    try:
        with suppress(FileExistsError):
            os.link(draft, path)
    except OSError:  # a file system without hard links
        draft.rename(path)


def _check(db: sqlite3.Connection, path: Path) -> None:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise StorageError(f"{path} is no journal of Tamiz.", remedy="Name another file, or move this one away.")
    if version != FORMAT:
        raise StorageError(
            f"The journal {path} has format {version}; this version reads {FORMAT}.",
            remedy="Use the version of Tamiz that wrote it, or move it away to start a new one.",
        )
