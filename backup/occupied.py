"""Whether anybody works in a home: the locks in it, and who has its databases open."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from backup.placing import LOCK_FILE
from backup.staging import is_database, open_existing
from core.errors import StorageError
from knowledge.files import FileLock


@contextmanager
def held(home: Path) -> Iterator[None]:
    """Keep everybody who takes a lock out of a home, which may be missing.

    Raises:
        StorageError: somebody is in it; the message names the file.
    """
    with ExitStack() as locks:
        for path in sorted(home.rglob("*")) if home.is_dir() else ():
            if path == home / LOCK_FILE:
                continue
            if path.is_file() and (path.name == "lock" or path.suffix == ".lock"):
                lock = FileLock.acquire(path)
                if lock is None:
                    raise _in_use(path)
                locks.callback(lock.release)
            elif is_database(path) and _open_elsewhere(path):
                raise _in_use(path)
        yield


def _open_elsewhere(database: Path) -> bool:
    """Whether a connection has it open. One that can't be read at all is nobody's: a restore may be what it needs."""
    try:
        with closing(open_existing(database, 0.0)) as db:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")  # with a write-ahead log this needs the file for itself
            db.execute("BEGIN EXCLUSIVE")
            db.execute("ROLLBACK")
    except sqlite3.DatabaseError as error:
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return False


def _in_use(path: Path) -> StorageError:
    return StorageError(
        f"The home is in use: {path} is held by another command.",
        remedy="Wait until it has finished, or end it (`run`, `web`, the nightly job), then try again; nothing was changed.",
    )
