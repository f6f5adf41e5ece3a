"""Vectors that have been computed once, kept in SQLite: a killed ingest goes on where it was, a second one computes nothing.

Keys are digests, so the file holds no text.
"""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np

from core.errors import StorageError
from core.ticket import Vectors
from knowledge.embedder import by_length

LOOKUP_ROWS = 500
BUSY_SECONDS = 30.0
_SCHEMA = "CREATE TABLE IF NOT EXISTS vectors (model TEXT, digest BLOB, vector BLOB NOT NULL, PRIMARY KEY (model, digest))"


class Encoder(Protocol):
    """Texts to unit vectors: `Embedder`, or `CachedEmbedder` around it."""

    @property
    def name(self) -> str:
        """Identity of the model: vectors of equal names are comparable."""

    @property
    def precision(self) -> str:
        """Arithmetic that is used; the vectors of two precisions are comparable but not equal."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    def encode(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        """Unit rows (n, d); `progress` hears how many texts have just been done."""


class CachedEmbedder:
    """Looks each text up in the file at `path` before it asks `embedder`; same results, same methods.

    Meant for exemplars, which are embedded again at every ingest and fit; passing tickets would only make the file grow.
    """

    def __init__(self, embedder: Encoder, path: Path) -> None:
        self._embedder = embedder
        self.path = path

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def precision(self) -> str:
        return self._embedder.precision

    @property
    def dimension(self) -> int:
        return self._embedder.dimension

    def encode(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        """As `Embedder.encode`; StorageError where the file can't be written, a corrupt file is set aside and rebuilt."""
        if not texts:
            return self._embedder.encode(texts)
        report = progress or (lambda done: None)
        digests = {text: _digest(text) for text in texts}
        found = self._found(list(digests.values()))
        missing = [text for text, digest in digests.items() if digest not in found]
        if len(texts) > len(missing):
            report(len(texts) - len(missing))
        for chunk in by_length(missing):
            vectors = self._embedder.encode(chunk)
            fresh = dict(zip((digests[text] for text in chunk), vectors, strict=True))
            self._keep(fresh)
            found.update(fresh)
            report(len(chunk))
        return np.stack([found[digests[text]] for text in texts])

    @property
    def _model(self) -> str:
        return f"{self.name} {self.precision}"

    def _found(self, digests: Sequence[bytes]) -> dict[bytes, Vectors]:
        try:
            with self._database() as database:
                return _looked_up(database, self._model, digests)
        except _Corrupt:
            self._set_aside()
            return {}

    def _keep(self, vectors: Mapping[bytes, Vectors]) -> None:
        rows = [(self._model, digest, vector.tobytes()) for digest, vector in vectors.items()]
        try:
            self._insert(rows)
        except _Corrupt:
            self._set_aside()
            self._insert(rows)

    def _insert(self, rows: Sequence[tuple[str, bytes, bytes]]) -> None:
        with self._database() as database, database:
            database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS)) as database:
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("PRAGMA synchronous = NORMAL")
                database.execute(_SCHEMA)
                yield database
        except (sqlite3.OperationalError, OSError) as error:
            raise _unwritable(self.path, error) from error
        except sqlite3.DatabaseError as error:
            raise _Corrupt from error

    def _set_aside(self) -> None:
        """Keep the broken file for whoever wants to look; the vectors in it can be computed again."""
        os.replace(self.path, self.path.with_name(self.path.name + ".corrupt"))
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)


class _Corrupt(Exception):
    """The file is no database, or a damaged one."""


def _unwritable(path: Path, error: Exception) -> StorageError:
    return StorageError(
        f"The vector cache {path} can't be used: {error}.",
        remedy="Free some space or check the permissions, then run the command again; it goes on where it stopped.",
    )


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _looked_up(database: sqlite3.Connection, model: str, digests: Sequence[bytes]) -> dict[bytes, Vectors]:
    found: dict[bytes, Vectors] = {}
    for start in range(0, len(digests), LOOKUP_ROWS):
        part = digests[start : start + LOOKUP_ROWS]
        marks = ",".join("?" * len(part))
        rows = database.execute(
            f"SELECT digest, vector FROM vectors WHERE model = ? AND digest IN ({marks})",  # noqa: S608 - marks only
            (model, *part),
        )
        found.update((digest, vector) for digest, blob in rows if (vector := _unit_vector(blob)) is not None)
    return found


def _unit_vector(blob: bytes) -> Vectors | None:
    """The stored vector, or None where the bytes are not one: it is then computed again."""
    if len(blob) % 4:
        return None
    vector = np.frombuffer(blob, np.float32)
    return vector if abs(float(vector @ vector) - 1.0) < 1e-3 else None
