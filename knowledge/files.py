"""Files that survive a crash: exclusive locks, durable writes, and a look at the free space before it runs out."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from core.errors import StorageError


class FileLock:
    """An advisory lock on a file that ends with the process, however that ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, path: Path, wait: float = 0.0) -> Self | None:
        """The lock, or None where somebody else still has it (another process, or this one) after `wait` seconds."""
        with storage_errors(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        until = time.monotonic() + wait
        while not _taken(descriptor):
            if time.monotonic() >= until:
                os.close(descriptor)
                return None
            time.sleep(0.05)
        return cls(descriptor)

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what the system says about `path` into a StorageError; a missing folder stays a FileNotFoundError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StorageError(
            f"{path} can't be written: {error.strerror or error}.",
            remedy="Free some space or check the permissions, then run the command again; what was there before is intact.",
        ) from error


def write_durably(path: Path, text: str) -> None:
    """Replace the file in one step: a reader, or a start after a crash, sees the old text or the new one, never a part."""
    temporary = path.with_name(path.name + ".tmp")
    with storage_errors(path):
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Wait until the file's content, or the folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_space(folder: Path, needed: int) -> None:
    """Refuse to start writing `needed` bytes where they don't fit.

    The index is memory-mapped: a disk that fills up under it does not give an error, it ends the process.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StorageError(
            f"The disk of {folder} has {free >> 20} MB left, and {needed >> 20} MB are needed.",
            remedy="Free some space, then run the command again; what was there before is intact.",
        )
