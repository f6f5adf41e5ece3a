"""Reading a backup, front to back once. Whatever is wrong with it is an InputError that names the member."""

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

from pydantic import BaseModel, ValidationError

from backup.archive import FORMAT, MANIFEST, Contents, Hashed, Member, checksum_file, digest_of, expected_digest
from backup.staging import BLOCK, Progress, checked_name, silent, write_with_holes
from core.errors import InputError
from knowledge.files import storage_errors

LONGEST_MANIFEST = 64 << 20
ANOTHER = "Nothing was changed. Take another one: `python -m batch backup list` shows them."

Take: TypeAlias = Callable[[str, Member, BinaryIO], str]
"""Called with a member's name, what it should be, and its bytes; gives their SHA-256."""


def read_contents(path: Path) -> Contents:
    """What the backup says of itself, without checking the rest.

    Raises:
        InputError: it is none, is damaged at its beginning, or a newer version of the program made it.
    """
    with _opened(path) as file, _damage(path, lambda: MANIFEST), gzip.GzipFile(fileobj=file) as zipped:  # noqa: SIM117
        with tarfile.open(fileobj=zipped, mode="r|") as tar:
            return _first(path, tar)


def verify(path: Path, progress: Progress = silent) -> Contents:
    """Read the whole backup and compare every checksum.

    Raises:
        InputError: something is damaged, missing or too many; the message names the member.
    """
    return _read(path, lambda name, member, source: digest_of(source), "verify", progress)


def unpack(path: Path, folder: Path, progress: Progress = silent) -> Contents:
    """Write every member under `folder`, which must be empty and ours, and compare its checksum.

    `tarfile`'s own extraction is not used: it knows no holes, and its filters came after the oldest Python that is promised.
    """

    def take(name: str, member: Member, source: BinaryIO) -> str:
        with storage_errors(folder / name):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        return write_with_holes(source, folder / name, member.mode)

    return _read(path, take, "unpack", progress)


def _read(path: Path, take: Take, stage: str, progress: Progress) -> Contents:
    reading = _Reading(path)
    with _opened(path) as file, _damage(path, lambda: reading.at):
        hashed = Hashed(file)
        with gzip.GzipFile(fileobj=cast(BinaryIO, hashed)) as zipped:
            with tarfile.open(fileobj=zipped, mode="r|") as tar:
                contents = _first(path, tar)
                done = 0
                for name, member in contents.members.items():
                    progress(stage, done, contents.size)
                    reading.at = name
                    reading.member(tar, member, take)
                    done += member.size
                reading.at = "the end"
                reading.end(tar)
            _drain(zipped)
        _drain(hashed)
    if expected_digest(path) not in (None, hashed.digest.hexdigest()):
        raise damaged(path, f"its checksum is not that of {checksum_file(path).name}")
    return contents


@dataclass
class _Reading:
    """Where the reading of a backup is: the member whose turn it is."""

    path: Path
    at: str = MANIFEST

    def member(self, tar: tarfile.TarFile, member: Member, take: Take) -> None:
        """Check the next member and hand its bytes on."""
        entry = tar.next()
        if entry is None:
            raise damaged(self.path, f"{self.at} is missing")
        if entry.name != self.at:
            raise damaged(self.path, f"it holds {entry.name!r} where {self.at} should be")
        source = tar.extractfile(entry) if entry.isreg() else None
        if source is None:
            raise damaged(self.path, f"{self.at} is no plain file")
        if entry.size != member.size:
            raise damaged(self.path, f"{self.at} has {entry.size} bytes and not {member.size}")
        if take(self.at, member, cast(BinaryIO, source)) != member.sha256:
            raise damaged(self.path, f"the content of {self.at} is not what was backed up")

    def end(self, tar: tarfile.TarFile) -> None:
        """See that nothing follows."""
        entry = tar.next()
        if entry is not None:
            raise damaged(self.path, f"it holds {entry.name!r}, which its manifest does not name")


def _first(path: Path, tar: tarfile.TarFile) -> Contents:
    entry = tar.next()
    if entry is None or entry.name != MANIFEST or not entry.isreg() or entry.size > LONGEST_MANIFEST:
        raise InputError(f"{path} is no backup of Tamiz: it does not begin with its manifest.", remedy=ANOTHER)
    source = tar.extractfile(entry)
    text = source.read() if source else b""
    return _parsed(path, text)


def _parsed(path: Path, text: bytes) -> Contents:
    try:
        made_with = _Versioned.model_validate_json(text).format
        if made_with > FORMAT:
            raise InputError(
                f"{path} has format {made_with}, and this version of Tamiz reads {FORMAT}.",
                remedy="Use the version that made it, or a newer one; nothing was changed.",
            )
        contents = Contents.model_validate_json(text)
    except ValidationError as error:
        fault = error.errors()[0]
        raise damaged(path, f"{MANIFEST}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from error
    for name in contents.members:
        checked_name(name, path)
    return contents


class _Versioned(BaseModel):
    """Whatever else a newer format may say."""

    format: int


def damaged(path: Path, why: str) -> InputError:
    """The error for a backup that can't be used."""
    return InputError(f"The backup {path} is damaged: {why}.", remedy=ANOTHER)


@contextmanager
def _damage(path: Path, where: Callable[[], str]) -> Iterator[None]:
    """The one place that knows what gzip and tar say of a damaged file."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError, ValueError, OverflowError) as error:
        raise damaged(path, f"{where()} can't be read ({str(error).rstrip('.') or type(error).__name__})") from error


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        if error.filename != str(path):
            raise
        raise InputError(f"There is no backup {path} that can be read.", remedy=ANOTHER) from error


def _drain(source: Any) -> None:  # noqa: ANN401 - any reader
    while source.read(16 * BLOCK):
        pass
