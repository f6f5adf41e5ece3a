"""What of a home is taken, while others go on working in it."""

import os
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from backup.staging import files_of, room_of, stage
from core.errors import InputError, StorageError
from tests.backup.backup_examples import FIT, small_home, without_shard


def test_all_is_taken_but_what_can_be_made_again(tmp_path: Path) -> None:
    home = small_home(tmp_path / "home", exemplars=8)
    for name in (
        "logs/x",
        "encoder/fold-0/x",
        "demo/kb/x",
        "before-20261122T031500Z/kb/x",
        "backups/tamiz.tar.gz",
        "kb/000009-x/y",
    ):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("x")
    for name in ("fit/abc.partial/fit.json", ".journal.sqlite.1.draft", "kb/current.tmp", "anything/new", "empty"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("")
    taken = [name for name in files_of(home) if "/shard/" not in name]
    (version,) = (path.name for path in (home / "kb").glob("000001-*"))
    assert taken == [
        "anything/new", "empty", f"fit/{FIT}/fit.json", "fit/current", "journal.sqlite",
        f"kb/{version}/exemplars.jsonl", f"kb/{version}/manifest.json", f"kb/{version}/vectors.f32", "kb/current",
        "models/champion.json", "models/triage-abc/adapter_config.json", "redaction.key", "runs/1/report.json", "taxonomy.yaml",
    ]  # fmt: skip
    assert room_of(home, files_of(home)) < 4 << 20


def test_a_database_is_copied_with_what_is_committed_and_without_what_is_not(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with closing(sqlite3.connect(home / "state.db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE rows (n)")
        db.execute("INSERT INTO rows VALUES (1)")
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO rows VALUES (2)")
        assert (home / "state.db-wal").stat().st_size
        stage(home, tmp_path / "copy")
    assert os.listdir(tmp_path / "copy") == ["state.db"]
    with closing(sqlite3.connect(tmp_path / "copy" / "state.db")) as db:
        assert db.execute("SELECT n FROM rows").fetchall() == [(1,)]


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    home = without_shard(small_home(tmp_path / "home", exemplars=8))
    data = bytearray((home / "journal.sqlite").read_bytes())
    data[40:100] = b"x" * 60
    (home / "journal.sqlite").write_bytes(data[:3000])
    with pytest.raises(StorageError, match=r"journal\.sqlite can't be copied"):
        stage(home, tmp_path / "copy")


def test_links_are_followed_and_what_is_no_file_is_not_taken(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    for folder in (home, elsewhere):
        folder.mkdir()
    (elsewhere / "adapter.json").write_text("{}")
    (home / "models").symlink_to(elsewhere)
    (home / "round").symlink_to(home)
    (home / "nowhere").symlink_to(home / "gone")
    os.mkfifo(home / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(home / "socket"))
        assert files_of(home) == ["models/adapter.json"]
    stage(home, tmp_path / "copy")
    assert not (tmp_path / "copy" / "models").is_symlink()


def test_a_name_that_could_not_be_put_back_is_refused(tmp_path: Path) -> None:
    (tmp_path / "two\nlines").write_text("x")
    with pytest.raises(InputError, match="file name"):
        files_of(tmp_path)


def test_a_fit_that_is_replaced_meanwhile_is_taken_whole(tmp_path: Path) -> None:
    """The pointer is switched while the files are copied: what was copied before is thrown away."""
    home = without_shard(small_home(tmp_path / "home", exemplars=8))
    new = "fedcba987654"

    def switch(at: str, done: int, total: int) -> None:
        if done == 5 and not (home / "fit" / new).exists():
            (home / "fit" / new).mkdir()
            (home / "fit" / new / "fit.json").write_text("new")
            (home / "fit" / "current").write_text(new)
            (home / "fit" / FIT / "fit.json").unlink()

    stage(home, tmp_path / "copy", progress=switch)
    assert (tmp_path / "copy" / "fit" / "current").read_text() == new
    assert [path.name for path in (tmp_path / "copy" / "fit").iterdir() if path.is_dir()] == [new]


def test_a_home_that_never_rests_is_an_error(tmp_path: Path) -> None:
    home = without_shard(small_home(tmp_path / "home", exemplars=8))
    turns = iter(range(1000))

    def restless(at: str, done: int, total: int) -> None:
        (home / "fit" / "current").write_text(f"{next(turns):012d}")

    with pytest.raises(StorageError, match="changes while it is copied"):
        stage(home, tmp_path / "copy", progress=restless)
    assert not (tmp_path / "copy").exists()
