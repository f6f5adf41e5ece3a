"""What of a home goes into a backup, and a copy of it that no longer changes.

All is taken but what can be made again. Databases are copied by SQLite, so that one in use gives a whole state of itself.
"""

import os
import re
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from fnmatch import fnmatch
from hashlib import sha256
from io import FileIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TypeAlias

from core.errors import InputError, StorageError
from knowledge.files import storage_errors

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the stage, what is done of it, and its total."""

LEFT_OUT = ("backups", "before-*", "cache", "demo", "encoder", "exemplars", "logs", ".restoring")
"""Folders at the top of a home: they can be made again, or are a backup's own."""
PASSING = ("lock", "*.lock", "*.partial", "*.tmp", "*.draft")
"""Names of what exists only while something is under way."""
SIDE_FILES = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database."""
POINTERS = {"kb": re.compile(r"\d{6}-.+"), "fit": re.compile(r"[0-9a-f]{12}")}
"""Folders of versions, and what a version is called; the file `current` names the one in use."""
SQLITE = b"SQLite format 3\0"
BLOCK = 1 << 16
ATTEMPTS = 5


def silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def files_of(home: Path, apart: Collection[Path] = ()) -> list[str]:
    """The files of a home that a backup holds, relative to it, in order; `apart` are folders to pass over.

    Links are followed: what a restore puts back is the content.
    """
    passed_over = {path.resolve() for path in apart} | {home.resolve()}
    found = (path.relative_to(home) for path in _walk(home, passed_over))
    return sorted(checked_name(path.as_posix(), home) for path in found if _wanted(home, path))


def room_of(home: Path, names: Collection[str]) -> int:
    """Bytes that these files take on the disk: an index reserves far more than it fills."""
    return sum(_status(home / name).st_blocks for name in names) * 512


def stage(home: Path, target: Path, apart: Collection[Path] = (), progress: Progress = silent) -> None:
    """Copy a home's files to `target`, which is made. The caller holds the lock of the index.

    Raises:
        StorageError: a file can't be read or written, or the home changes faster than it can be copied.
    """
    for _ in range(ATTEMPTS):
        with storage_errors(target):
            target.mkdir(mode=0o700)
        before = _pointers(home)
        try:
            copy_all(home, target, files_of(home, apart), progress)
        except FileNotFoundError:  # a fit or a report was replaced meanwhile
            remove(target)
            continue
        if _pointers(home) == before == _pointers(target):
            return
        remove(target)
    raise StorageError(
        f"{home} changes while it is copied.", remedy="Wait until what is at work there has finished, then try again."
    )


def write_with_holes(source: BinaryIO, target: Path, mode: int) -> str:
    """Write a new file and leave out its blocks of zeros, which then take no room; the SHA-256 of the content is returned."""
    digest, end = sha256(), 0
    with storage_errors(target):
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        while block := source.read(BLOCK):
            digest.update(block)
            end += len(block)
            with storage_errors(target):
                _put(file, block, end)
        with storage_errors(target):
            file.truncate(end)
            os.fchmod(descriptor, mode & 0o777)
    return digest.hexdigest()


def _put(file: FileIO, block: bytes, end: int) -> None:
    """Write a block that ends at `end`, or step over it where it is all zeros."""
    if block.count(0) == len(block):
        file.seek(end)
        return
    left = memoryview(block)
    while left:
        left = left[file.write(left) :]


def checked_name(name: str, where: Path) -> str:
    """A plain relative path, or InputError: nothing is ever written outside the folder of a restore."""
    parts = PurePosixPath(name).parts
    plain = parts and not name.startswith("/") and "/".join(parts) == name and ".." not in parts
    if not plain or "\\" in name or not name.isprintable():
        remedy = "Nothing was changed. Rename that file, or take another backup."
        raise InputError(f"{where} has a file name that can't be used: {name!r}.", remedy=remedy)
    return name


def remove(folder: Path) -> None:
    """Remove a folder of ours, if it is there."""
    import shutil

    with storage_errors(folder):
        if folder.exists():
            shutil.rmtree(folder)


def _walk(folder: Path, seen: set[Path]) -> Iterator[Path]:
    with storage_errors(folder):
        entries = sorted(folder.iterdir())
    for path in entries:
        if path.is_file():
            yield path
        elif path.is_dir() and (real := path.resolve()) not in seen:
            yield from _walk(path, seen | {real})


def _wanted(home: Path, path: Path) -> bool:
    top = path.parts[0]
    if (len(path.parts) > 1 and _like(top, LEFT_OUT)) or any(_like(part, PASSING) for part in path.parts):
        return False
    if any(path.name.endswith(end) and is_database(home / path.parent / path.name.removesuffix(end)) for end in SIDE_FILES):
        return False
    if len(path.parts) > 2 and top in POINTERS and POINTERS[top].fullmatch(path.parts[1]):
        return path.parts[1] == _pointers(home).get(top)
    return True


def _like(name: str, patterns: Collection[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _pointers(home: Path) -> dict[str, str]:
    """The version in use of each folder of versions."""
    files = {name: home / name / "current" for name in POINTERS}
    return {name: file.read_text(encoding="utf-8").strip() for name, file in files.items() if file.is_file()}


def is_database(path: Path) -> bool:
    """Whether a file is one of SQLite's."""
    if not path.is_file():
        return False
    with _readable(path) as file:
        return file.read(len(SQLITE)) == SQLITE


def copy_all(home: Path, target: Path, names: Collection[str], progress: Progress = silent) -> None:
    """Copy these files of a home; databases last, the journal the very last.

    So what remembers how far the journal was read is never ahead of it.
    """
    databases = {name for name in names if is_database(home / name)}
    ordered = sorted(names, key=lambda name: (name in databases, name == "journal.sqlite", name))
    for done, name in enumerate(ordered):
        progress("copy", done, len(ordered))
        with storage_errors(target / name):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
        copy_file(home / name, target / name)


def copy_file(source: Path, target: Path) -> None:
    """Copy one file, a database with what is in its write-ahead log."""
    mode = _status(source).st_mode
    if is_database(source):
        copy_database(source, target)
        target.chmod(mode & 0o777)
    else:
        with _readable(source) as file:
            write_with_holes(file, target, mode)


def copy_database(source: Path, target: Path) -> None:
    """One committed state of a database, whoever is writing to it.

    Raises:
        StorageError: it is damaged, or locked for longer than half a minute.
    """
    try:
        with closing(open_existing(source, 30.0)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)
            require_whole(new)
    except sqlite3.DatabaseError as error:
        raise StorageError(
            f"The database {source} can't be copied: {error}.",
            remedy="Make room on the disk and see that it is whole (`sqlite3 FILE 'PRAGMA integrity_check'`), then try again.",
        ) from error


def open_existing(path: Path, wait_seconds: float) -> sqlite3.Connection:
    """A connection to a database that is there: plain SQLite would make one that is not."""
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=wait_seconds, isolation_level=None)


def require_whole(db: sqlite3.Connection) -> None:
    """sqlite3.DatabaseError where SQLite finds something wrong with the database: a copy is made of damaged pages too."""
    (said,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if said != "ok":
        raise sqlite3.DatabaseError(said)


def _readable(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise
    except OSError as error:
        remedy = "Give this user read access to it, then try again."
        raise StorageError(f"{path} can't be read: {error.strerror or error}.", remedy=remedy) from error


def _status(path: Path) -> os.stat_result:
    return path.stat()
