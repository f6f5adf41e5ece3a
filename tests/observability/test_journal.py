"""The journal file: whole batches, nothing changed afterwards, and what happens when it goes wrong."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.errors import StorageError
from observability.journal import PAGE, Journal
from observability.records import Record
from tests.observability.journal_examples import Example

example = Example()
ROOT = Path(__file__).parents[2]
HELPER = "import sys; sys.path.insert(0, '.'); from tests.observability.journal_examples import Example; example = Example()\n"
IMPORTS = "from pathlib import Path\nfrom observability.journal import Journal\nfrom core.errors import StorageError\n"


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A second process that has `example`, `Journal` and sys.argv."""
    command = [sys.executable, "-c", HELPER + IMPORTS + code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out.strip()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.sqlite3"


@pytest.fixture
def filled(path: Path) -> Path:
    with Journal(path) as journal:
        journal.append([example.started(), *example.batch("run-1", 600), example.finished()])
    return path


def test_records_are_found_by_run_kind_and_ticket(path: Path) -> None:
    first, second = example.record("T-1"), example.record("T-2", run="run-2")
    records: list[Record] = [example.started(), first, example.write(first, "intended"), example.started("run-2"), second]
    with Journal(path) as journal:
        journal.append(records[:3])
        journal.append(records[3:])
        assert list(journal.records()) == records
        assert list(journal.records(run="run-1")) == records[:3]
        assert list(journal.records(kind="decision")) == [first, second]
        assert list(journal.records(run="run-1", kind="decision", ticket_id="T-1")) == [first]
        assert list(journal.records(ticket_id="T-3")) == []


def test_runs_are_listed_with_their_ends(path: Path) -> None:
    with Journal(path) as journal:
        assert journal.latest_run() is None
        journal.append([example.started(), example.finished(), example.started("run-2", dry_run=True)])
        runs = journal.runs()
        assert [(entry.run, entry.finished is not None) for entry in runs] == [("run-1", True), ("run-2", False)]
        assert journal.latest_run() == runs[-1]


def test_a_cursor_sees_every_record_once(filled: Path) -> None:
    with Journal(filled) as journal:
        seen, cursor = [], 0
        while entries := journal.tail(cursor, 250):
            seen += [entry.record for entry in entries]
            cursor = entries[-1].seq
        assert len(seen) == 602
        assert journal.tail(cursor) == []
        journal.append([example.started("run-2")])
        assert [entry.record.run for entry in journal.tail(cursor)] == ["run-2"]


def test_reading_ends_though_the_reader_writes(filled: Path) -> None:
    with Journal(filled) as journal:
        count = 0
        for count, record in enumerate(journal.records(kind="decision"), 1):
            if count % PAGE == 0:
                journal.append([record])
        assert count == 600


def test_a_thousand_records_take_less_than_a_second(path: Path) -> None:
    batch = example.batch("run-1", 1000, padding=2000)
    with Journal(path) as journal:
        begin = time.perf_counter()
        journal.append(batch)
        seconds = time.perf_counter() - begin
        assert sum(1 for _ in journal.records(run="run-1")) == 1000
    assert seconds < 1.0


def test_a_batch_with_something_that_is_no_record_adds_nothing(filled: Path) -> None:
    with Journal(filled) as journal:
        with pytest.raises(AttributeError):
            journal.append([example.started("run-2"), "no record"])  # type: ignore[list-item]
        assert [entry.run for entry in journal.runs()] == ["run-1"]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE records SET body = '{}' WHERE seq = 1",
        "DELETE FROM records",
        "INSERT OR REPLACE INTO records (seq, at, run, kind, state, body) VALUES (1, '', '', '', '', '{}')",
    ],
)
def test_nothing_is_ever_changed(filled: Path, sql: str) -> None:
    before = filled.read_bytes()
    with sqlite3.connect(filled) as db, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute(sql)
    db.close()
    assert filled.read_bytes() == before


def test_only_its_owner_may_read_it_and_no_draft_stays(filled: Path) -> None:
    assert stat.S_IMODE(filled.stat().st_mode) == 0o600
    assert os.listdir(filled.parent) == [filled.name]


def test_it_is_exported_as_json_lines(filled: Path, tmp_path: Path) -> None:
    with Journal(filled) as journal:
        assert journal.export(tmp_path / "all.jsonl") == 602
        assert journal.export(tmp_path / "none.jsonl", run="run-9") == 0
        with pytest.raises(StorageError, match="can't be used"):
            journal.export(tmp_path / "missing" / "all.jsonl")
    assert len((tmp_path / "all.jsonl").read_bytes().splitlines()) == 602


def test_others_read_while_one_writes(path: Path) -> None:
    code = """
with Journal(Path(sys.argv[1])) as journal:
    count = 0
    while not any(journal.records(kind="run_finished")):
        previous, count = count, sum(1 for _ in journal.records(kind="decision"))
        assert count >= previous and count % 50 == 0, count
    print(sum(1 for _ in journal.records()))
"""
    with Journal(path) as journal:
        journal.append([example.started()])
        readers = [python(code, path) for _ in range(2)]
        try:
            for number in range(20):
                journal.append(example.batch(f"run-{number}", 50))
                time.sleep(0.02)
            journal.append([example.finished()])
            assert [finish(reader) for reader in readers] == ["1002", "1002"]
        finally:
            for reader in readers:
                reader.kill()


def test_two_that_start_at_once_make_one_journal(path: Path) -> None:
    code = """
with Journal(Path(sys.argv[1])) as journal:
    for _ in range(10):
        journal.append([example.started(sys.argv[2])])
"""
    for process in [python(code, path, name) for name in ("a", "b", "c")]:
        finish(process)
    with Journal(path) as journal:
        assert sorted(entry.run for entry in journal.runs()) == ["a"] * 10 + ["b"] * 10 + ["c"] * 10
    assert os.listdir(path.parent) == [path.name]


def test_it_is_made_without_hard_links_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with Journal(path) as journal:
        journal.append([example.started()])
        assert journal.latest_run() is not None


def test_a_kill_in_mid_append_leaves_all_or_nothing(path: Path) -> None:
    code = """
with Journal(Path(sys.argv[1])) as journal:
    journal.append([example.started(), *example.batch("run-1", 100)])
    big = example.batch("run-2", 8000, padding=2000)
    print("ready", flush=True)
    journal.append(big)
    print("done", flush=True)
"""
    process = python(code, path)
    log = path.with_name(f"{path.name}-wal")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    begin = log.stat().st_size
    while log.stat().st_size < begin + 8_000_000:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    out, _ = process.communicate()
    assert "done" not in out, "the kill came too late to prove anything"
    with Journal(path) as journal:
        assert sum(1 for _ in journal.records()) == 101
        journal.append([example.finished()])
        assert sum(1 for _ in journal.records()) == 102


def test_a_full_disk_adds_nothing_and_says_so(path: Path) -> None:
    code = """
import resource
path = Path(sys.argv[1])
with Journal(path) as journal:
    journal.append([example.started()])
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
    try:
        journal.append(example.batch("run-1", 2000))
    except StorageError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(sum(1 for _ in journal.records()))
    journal.append(example.batch("run-1", 10))
    print(sum(1 for _ in journal.records()))
"""
    message, *counts = finish(python(code, path)).splitlines()
    assert "Make room on the disk" in message
    assert counts == ["1", "11"]


def test_a_transaction_that_sqlite_gave_up_itself_is_reported_as_it_is(filled: Path) -> None:
    with Journal(filled) as journal:
        journal._db.execute("PRAGMA cache_size = 5")
        journal._db.execute("PRAGMA max_page_count = 1200")
        with pytest.raises(StorageError, match=r"full.*Make room on the disk"):
            journal.append(example.batch("run-2", 1000))
        assert [entry.run for entry in journal.runs()] == ["run-1"]


def test_a_locked_journal_says_who_is_in_the_way(filled: Path) -> None:
    other = sqlite3.connect(filled, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with Journal(filled, wait_seconds=0.1) as journal:
        with pytest.raises(StorageError, match="Another process is writing"):
            journal.append([example.started("run-2")])
        assert sum(1 for _ in journal.records()) == 602
        other.execute("ROLLBACK")
        journal.append([example.started("run-2")])
    other.close()


@pytest.mark.parametrize("left", [0, 10, 4096, 0.5, 0.99])
def test_a_truncated_journal_is_refused_and_left_alone(filled: Path, left: float) -> None:
    os.truncate(filled, int(left * filled.stat().st_size if 0 < left < 1 else left))
    before = filled.read_bytes()
    with pytest.raises(StorageError, match=r"damaged.*put back a copy"):
        Journal(filled)
    assert filled.read_bytes() == before


def test_damage_inside_is_found_when_it_is_read(filled: Path) -> None:
    content = bytearray(filled.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 60_000] = b"\xff" * 60_000
    filled.write_bytes(content)
    with pytest.raises(StorageError, match="damaged"), Journal(filled) as journal:
        list(journal.records())


def test_a_record_that_can_not_be_read_is_named(path: Path) -> None:
    with Journal(path) as journal:
        journal.append([example.started()])
    db = sqlite3.connect(path)
    db.execute(
        "INSERT INTO records (at, run, kind, state, body) VALUES ('', 'run-1', 'decision', '', '{\"kind\": \"decision\"}')"
    )
    db.commit()
    db.close()
    with Journal(path) as journal, pytest.raises(StorageError, match="record 2 can't be read"):
        list(journal.records())


def test_another_database_is_no_journal(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite3"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE things (x)")
    db.close()
    with pytest.raises(StorageError, match="no journal"):
        Journal(path)


def test_a_later_format_is_not_touched(filled: Path) -> None:
    db = sqlite3.connect(filled)
    db.execute("PRAGMA user_version = 2")
    db.close()
    with pytest.raises(StorageError, match="format 2"):
        Journal(filled)


@pytest.mark.parametrize("place", ["folder", "file/journal.sqlite3"])
def test_a_place_that_can_not_hold_it_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError):
        Journal(tmp_path / place)


def test_its_import_is_light() -> None:
    code = "import observability.journal, sys; print([m for m in ('loguru', 'numpy', 'scipy', 'torch') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
