"""The format: a gzipped tar with `manifest.json` first, which names every member with size and SHA-256, in their order.

gzip's lowest level: an index is mostly reserved and not yet filled, so the example company's 193 MB become 6, and the next
level is slower and hardly smaller. Beside it lies `<name>.sha256`, as `sha256sum -c` reads it.
"""

import gzip
import os
import tarfile
from datetime import datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import IO, BinaryIO

from pydantic import BaseModel, ConfigDict, Field

from backup.staging import BLOCK, Progress, silent
from knowledge.files import storage_errors, sync, write_durably

FORMAT = 1
MANIFEST = "manifest.json"
LEVEL = 1
CHECKSUM = ".sha256"


class Member(BaseModel):
    """One file: its size in bytes, the SHA-256 of its content, its permission bits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(ge=0)
    sha256: str
    mode: int = Field(ge=0, le=0o777)


class Contents(BaseModel):
    """What a backup says of itself.

    Args:
        created: with its time zone, UTC.
        tamiz: version of the program that made it.
        identity: of the home, which stays when it is restored elsewhere; empty where it has none yet.
        demo: whether it is the example company's.
        knowledge, embedder: version of the index, and what built it; empty where there is none.
        counts: exemplars, records.
        outside: member -> where that file lay, for files that the settings name outside the home.
        members: in the order of the archive.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    created: datetime
    tamiz: str
    identity: str
    demo: bool
    knowledge: str
    embedder: str
    counts: dict[str, int]
    outside: dict[str, str]
    members: dict[str, Member]

    @property
    def size(self) -> int:
        """Bytes of all members."""
        return sum(member.size for member in self.members.values())

    @property
    def same_as(self) -> str:
        """A digest that is equal for two backups of a home that did not change between them."""
        held = (f"{name} {m.sha256} {m.mode:o}\n" for name, m in sorted(self.members.items()))
        return sha256("".join(held).encode()).hexdigest()


def members_of(folder: Path, progress: Progress = silent) -> dict[str, Member]:
    """Every file under a folder as a member, in order of name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    members: dict[str, Member] = {}
    for done, path in enumerate(files):
        progress("checksums", done, len(files))
        status, name = path.stat(), path.relative_to(folder).as_posix()
        members[name] = Member(size=status.st_size, sha256=file_digest(path), mode=status.st_mode & 0o777)
    return members


def pack(folder: Path, contents: Contents, target: Path, progress: Progress = silent) -> None:
    """Write the backup of a folder's files: under another name first, durable, then in one step under its own.

    Raises:
        StorageError: the disk is full or can't be written; what was begun is removed.
    """
    partial = target.with_name(f"{target.name}.partial")
    try:
        with storage_errors(target):
            digest = _pack(folder, contents, partial, progress)
            progress("publish", 0, 1)
            write_durably(checksum_file(target), f"{digest}  {target.name}\n")
            os.replace(partial, target)
            sync(target.parent)
    finally:
        partial.unlink(missing_ok=True)


def _pack(folder: Path, contents: Contents, partial: Path, progress: Progress) -> str:
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        hashed = Hashed(file)
        with gzip.GzipFile("", "wb", LEVEL, hashed, mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w|") as tar:
            text = contents.model_dump_json(indent=1).encode()
            tar.addfile(_entry(MANIFEST, len(text), 0o600, contents), BytesIO(text))
            for done, (name, member) in enumerate(contents.members.items()):
                progress("pack", done, len(contents.members))
                with (folder / name).open("rb") as source:
                    tar.addfile(_entry(name, member.size, member.mode, contents), source)
        file.flush()
        os.fsync(file.fileno())
    return hashed.digest.hexdigest()


def _entry(name: str, size: int, mode: int, contents: Contents) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, mode, int(contents.created.timestamp())
    return entry


def checksum_file(path: Path) -> Path:
    """Where a backup's own checksum lies."""
    return path.with_name(path.name + CHECKSUM)


def fault_of(path: Path) -> str:
    """What is wrong with a backup as a file, by the checksum beside it; empty where nothing is."""
    expected = expected_digest(path)
    if expected is None:
        return f"{checksum_file(path).name} is missing"
    return "" if expected == file_digest(path) else "its checksum is another"


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return digest_of(file)


def expected_digest(path: Path) -> str | None:
    """The checksum beside a backup; None where there is none."""
    try:
        return checksum_file(path).read_text(encoding="utf-8", errors="replace").split(" ")[0].strip()
    except FileNotFoundError:
        return None


def digest_of(source: IO[bytes]) -> str:
    """SHA-256 of what is left to read."""
    digest = sha256()
    while block := source.read(16 * BLOCK):
        digest.update(block)
    return digest.hexdigest()


class Hashed:
    """A file whose bytes are hashed as they pass, in either direction; never sought in."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._file.write(data)

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data

    def flush(self) -> None:
        self._file.flush()
