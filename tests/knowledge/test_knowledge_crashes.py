"""Killed, crowded, shared and full: what a person meets, and that nothing is lost."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.errors import KnowledgeError, StorageError
from knowledge.base import KnowledgeBase, shelf_at
from knowledge.cache import CachedEmbedder
from knowledge.edge_shelf import EdgeShelf
from knowledge.ingest import ingest
from tests.knowledge.toy_knowledge import ToyEmbedder, past, ticket

TOY = Path(__file__).with_name("toy_knowledge.py")
ROOT = TOY.parents[2]


@contextmanager
def other_process(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Another process that has got to where it waits; killed, not asked to end, when the block ends."""
    command = [sys.executable, str(TOY), *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "reached\n"
        yield process
        process.kill()


@pytest.mark.parametrize("stage", ["embed", "duplicates", "index"])
def test_a_killed_ingest_leaves_the_old_index_and_the_next_start_is_clean(home: Path, stage: str) -> None:
    ingest(EdgeShelf(home), ToyEmbedder(), past(10), source="history")
    with other_process("ingest", home, stage):
        pass
    with KnowledgeBase.open(EdgeShelf(home), ToyEmbedder()) as base:
        assert base.count() == 10
        assert base.search([ticket("Outlook")], ToyEmbedder().encode(["Outlook"]), 3)[0]
    assert len([path for path in (home / "kb").iterdir() if path.is_dir()]) == 1, "leftovers of the killed ingest"
    inner = ToyEmbedder()
    ingest(EdgeShelf(home), CachedEmbedder(inner, home / "vectors.sqlite3"), past(2_000), source="history")
    assert inner.asked < 2_000, "nothing that was embedded before the kill was used again"
    with KnowledgeBase.open(EdgeShelf(home), ToyEmbedder()) as base:
        assert base.count() == 2_000


def test_a_crash_before_the_switch_leaves_the_old_index(home: Path) -> None:
    """The last moment: the new version is complete, and the pointer still names the old one."""
    shelf = EdgeShelf(home)
    ingest(shelf, ToyEmbedder(), past(10), source="history")
    pointer = (shelf.folder / "current").read_text()
    with KnowledgeBase.open(shelf, ToyEmbedder()):
        ingest(shelf, ToyEmbedder(), past(12), source="history")
    (shelf.folder / "current").write_text(pointer)
    with KnowledgeBase.open(shelf, ToyEmbedder()) as base:
        assert base.count() == 10
    assert ingest(shelf, ToyEmbedder(), past(12), source="history").added == 2


def test_an_index_in_use_elsewhere_is_named_and_can_still_be_rebuilt(home: Path) -> None:
    shelf = shelf_at(home)
    ingest(shelf, ToyEmbedder(), past(10), source="history")
    with other_process("hold", home):
        with pytest.raises(KnowledgeError, match="in use by another process"):
            KnowledgeBase.open(shelf, ToyEmbedder())
        assert ingest(shelf, ToyEmbedder(), past(10), source="history").unchanged == 10
        ingest(shelf, ToyEmbedder(), past(12), source="history")
        with KnowledgeBase.open(shelf, ToyEmbedder()) as base:
            assert base.count() == 12
    with KnowledgeBase.open(shelf, ToyEmbedder()) as base:
        assert base.count() == 12
    assert len([path for path in (home / "kb").iterdir() if path.is_dir()]) == 1


def test_another_process_that_ingests_is_named(home: Path) -> None:
    with other_process("ingest", home, "embed"), pytest.raises(KnowledgeError, match="Another ingest"):
        ingest(EdgeShelf(home), ToyEmbedder(), past(10), source="history")


def test_closing_frees_the_index(home: Path) -> None:
    shelf = EdgeShelf(home)
    ingest(shelf, ToyEmbedder(), past(10), source="history")
    base = KnowledgeBase.open(shelf, ToyEmbedder())
    base.close()
    base.close()
    with pytest.raises(KnowledgeError, match="closed"):
        base.search([ticket("x")], ToyEmbedder().encode(["x"]), 3)
    with KnowledgeBase.open(shelf, ToyEmbedder()) as again:
        assert again.count() == 10


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 100 MB, where this machine lets us make one."""
    image, folder = tmp_path / "image", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(100 << 20)
    commands = (["mkfs.ext4", "-q", str(image)], ["mount", "-o", "loop", str(image), str(folder)])
    if not all(_worked(command) for command in commands):
        pytest.skip("a small disk can't be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _worked(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def fill(folder: Path) -> Path:
    """A file that takes all the space there is."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 16)):
                pass
        except OSError:
            return ballast
    raise AssertionError("the disk is not full")


def test_a_full_disk_is_a_clear_error_and_the_old_index_goes_on(small_disk: Path) -> None:
    shelf = EdgeShelf(small_disk)
    ingest(shelf, ToyEmbedder(), past(10), source="history")
    ballast = fill(small_disk)
    with pytest.raises(StorageError, match=r"MB left.*Free some space"):
        ingest(shelf, ToyEmbedder(), past(200), source="history")
    with KnowledgeBase.open(shelf, ToyEmbedder()) as base:
        assert base.count() == 10
    ballast.unlink()
    assert ingest(shelf, ToyEmbedder(), past(200), source="history").added == 190


def test_a_full_disk_stops_the_cache_with_a_clear_error(small_disk: Path) -> None:
    embedder = CachedEmbedder(ToyEmbedder(), small_disk / "vectors.sqlite3")
    kept = embedder.encode(["one"])
    ballast = fill(small_disk)
    with pytest.raises(StorageError, match="Free some space"):
        embedder.encode([f"text {n}" for n in range(3_000)])
    ballast.unlink()
    assert (embedder.encode(["one"]) == kept).all()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """What a quota does: no file may grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_quota_stops_the_index_with_a_clear_error(home: Path) -> None:
    shelf = EdgeShelf(home)
    ingest(shelf, ToyEmbedder(), past(10), source="history")
    with largest_file(1 << 20), pytest.raises(StorageError, match="Free some space"):
        ingest(shelf, ToyEmbedder(), past(200), source="history")
    with KnowledgeBase.open(shelf, ToyEmbedder()) as base:
        assert base.count() == 10


def test_a_quota_stops_the_cache_with_a_clear_error(home: Path) -> None:
    embedder = CachedEmbedder(ToyEmbedder(), home / "vectors.sqlite3")
    with largest_file(1 << 16), pytest.raises(StorageError, match="Free some space"):
        embedder.encode([f"text {n}" for n in range(3_000)])
    assert embedder.encode(["one"]).shape == (1, 64)
