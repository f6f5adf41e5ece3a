"""The vector cache: nothing is computed twice, whatever happened to the file or the process."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from core.errors import StorageError
from core.ticket import Vectors
from knowledge.cache import CachedEmbedder
from knowledge.embedder import CHUNK
from tests.knowledge.toy_knowledge import ToyEmbedder

TEXTS = [f"ticket number {n}" for n in range(50)]


@pytest.fixture
def path(home: Path) -> Path:
    return home / "folder" / "vectors.sqlite3"


def test_same_vectors_in_the_same_order_without_asking_again(path: Path) -> None:
    plain, inner = ToyEmbedder().encode(TEXTS), ToyEmbedder()
    assert (CachedEmbedder(inner, path).encode(TEXTS) == plain).all()
    assert (CachedEmbedder(inner, path).encode(TEXTS[::-1]) == plain[::-1]).all()
    assert inner.asked == 50


def test_equal_texts_are_computed_once_and_progress_adds_up(path: Path) -> None:
    inner, seen = ToyEmbedder(), list[int]()
    texts = [*TEXTS, *TEXTS[:10], "new"]
    vectors = CachedEmbedder(inner, path).encode(texts, seen.append)
    assert inner.asked == 51
    assert sum(seen) == 61
    assert (vectors == ToyEmbedder().encode(texts)).all()


def test_models_and_precisions_are_kept_apart(path: Path) -> None:
    CachedEmbedder(ToyEmbedder(), path).encode(TEXTS)
    for other in (ToyEmbedder(name="toy@2"), ToyEmbedder(precision="bf16")):
        CachedEmbedder(other, path).encode(TEXTS)
        assert other.asked == 50


class Interrupted(ToyEmbedder):
    """Stops after the first chunk, as a killed process does."""

    def encode(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        if self.asked:
            raise KeyboardInterrupt
        return super().encode(texts, progress)


def test_what_was_computed_before_an_interruption_is_not_lost(path: Path) -> None:
    texts = [f"ticket number {n}" for n in range(CHUNK + 200)]
    with pytest.raises(KeyboardInterrupt):
        CachedEmbedder(Interrupted(), path).encode(texts)
    inner = ToyEmbedder()
    CachedEmbedder(inner, path).encode(texts)
    assert inner.asked == 200


def test_texts_are_not_in_the_file(path: Path) -> None:
    CachedEmbedder(ToyEmbedder(), path).encode(["the very secret words"])
    assert all(b"secret" not in file.read_bytes() for file in path.parent.iterdir())


def test_no_text_no_vector(path: Path) -> None:
    assert CachedEmbedder(ToyEmbedder(), path).encode([]).shape == (0, 64)


@pytest.mark.parametrize("damage", ["no database", "torn", "overwritten"])
def test_a_corrupt_file_is_set_aside_and_rebuilt(path: Path, damage: str) -> None:
    texts = [f"ticket number {n}" for n in range(300)]
    expected = CachedEmbedder(ToyEmbedder(), path).encode(texts)
    content = path.read_bytes()
    half = len(content) // 2
    garbled = {"no database": b"hello" * 100, "torn": content[:half], "overwritten": content[:4096] + bytes([7]) * half}
    path.write_bytes(garbled[damage])
    assert (CachedEmbedder(ToyEmbedder(), path).encode(texts) == expected).all()
    assert path.with_name("vectors.sqlite3.corrupt").exists()
    again = ToyEmbedder()
    assert (CachedEmbedder(again, path).encode(texts) == expected).all()
    assert again.asked == 0


def test_a_damaged_vector_is_computed_again(path: Path) -> None:
    expected = CachedEmbedder(ToyEmbedder(), path).encode(TEXTS)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE vectors SET vector = ? WHERE rowid = 3", (np.full(64, 7, np.float32).tobytes(),))
        database.execute("UPDATE vectors SET vector = ? WHERE rowid = 4", (b"abc",))
    inner = ToyEmbedder()
    assert (CachedEmbedder(inner, path).encode(TEXTS) == expected).all()
    assert inner.asked == 2


def test_a_file_of_another_program_is_not_touched(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE vectors (something TEXT)")
    with pytest.raises(StorageError, match="no such column"):
        CachedEmbedder(ToyEmbedder(), path).encode(TEXTS)
    assert not path.with_name("vectors.sqlite3.corrupt").exists()


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="vector cache"):
        CachedEmbedder(ToyEmbedder(), tmp_path / "file" / "vectors.sqlite3").encode(TEXTS)
