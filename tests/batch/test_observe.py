"""`python -m batch observe`, as an operator runs it, over a journal and a Loki on loopback."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mocks.loki import Limits, create_loki
from mocks.serve import serve
from observability.journal import Journal
from observability.records import Record, now
from tests.batch.commands_examples import tamiz
from tests.observability.loki_examples import decision, example, stored, times, written

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def journal(blank: Path) -> Path:
    """The journal of the home that is in use where nothing of the user's is configured."""
    path = blank / "demo" / "journal.sqlite"
    append(path, example.started(), *(decision(i, now()) for i in range(9)))
    return path


def append(path: Path, *records: Record) -> None:
    with Journal(path) as journal:
        journal.append(records)


def seqs(url: str, path: Path) -> list[int]:
    with Journal(path) as journal:
        return sorted(times(stored(url, journal.name)).elements())


def wait_for(seconds: float = 60.0) -> Iterator[None]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.05)
    raise AssertionError("it did not happen")


@contextmanager
def running(*words: str) -> Iterator["subprocess.Popen[str]"]:
    """A command in a process of its own, stopped by Ctrl+C at the end."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    # a shell may have made this process and so its children deaf to Ctrl+C
    listen = "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [sys.executable, "-c", f"{listen}; runpy.run_module('batch', run_name='__main__')", "observe", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            finally:
                process.kill()


def test_the_journal_is_shipped_once(journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(create_loki(tmp_path / "loki")) as url:
        monkeypatch.setenv("TAMIZ_OBSERVABILITY__LOKI_URL", url)
        first = tamiz("observe", "ship", "--json")
        assert first.json == {"shipped": 10, "refused": 0, "dead": 0, "cursor": 10}
        append(journal, written(1, now()))
        assert tamiz("observe", "ship").out == "1 records are in Loki now, 11 in all.\n"
        assert tamiz("observe", "dead", "--json").json == {"dead": []}
        assert seqs(url, journal) == list(range(1, 12))
        metrics = tamiz("observe", "metrics").out
    assert "tamiz_loki_shipped_total 11.0\n" in metrics
    assert "tamiz_loki_lag_records 0.0\n" in metrics


def test_what_loki_refused_is_shown_and_sent_again(journal: Path, tmp_path: Path) -> None:
    append(journal, decision(10, now(), body="x" * 5000))
    with serve(create_loki(tmp_path / "loki", limits=Limits(line=4000))) as url:
        result = tamiz("observe", "ship", "--url", url)
        assert (result.code, result.out) == (3, "10 records are in Loki now, 10 in all.\n")
        assert "Loki refused 1: `python -m batch observe dead` says why." in result.err
        shown = tamiz("observe", "dead", "--url", url, "--json")
        assert (shown.code, [one["seq"] for one in shown.json["dead"]]) == (3, [11])
        assert "Max entry size '4000' bytes exceeded" in tamiz("observe", "dead", "--url", url).out
        assert tamiz("observe", "dead", "--url", url, "--resend").code == 3
    with serve(create_loki(tmp_path / "loki"), port=int(url.rpartition(":")[2])):
        again = tamiz("observe", "dead", "--url", url, "--resend")
        assert again.code == 0
        assert "Loki refused nothing." in again.err
        assert seqs(url, journal) == list(range(1, 12))


def test_clear_errors(blank: Path) -> None:
    nowhere = tamiz("observe", "ship")
    assert (nowhere.code, nowhere.out) == (1, "")
    assert "No Loki is configured. do: Set observability.loki_url" in nowhere.err
    empty = tamiz("observe", "ship", "--url", "http://127.0.0.1:9")
    assert "Nothing has been triaged here yet." in empty.err
    assert "is no address of Loki" in tamiz("observe", "ship", "--url", "localhost:3100").err
    assert not blank.exists()


def test_a_password_in_the_address_is_not_shown(journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(create_loki(tmp_path / "loki", token="other")) as url:
        monkeypatch.setenv("TAMIZ_OBSERVABILITY__LOKI_URL", url.replace("://", "://ana:s3cret@"))
        result = tamiz("observe", "ship")
        assert result.code == 1
        assert "401" in result.err
        assert "s3cret" not in result.err + tamiz("settings", "--json").out
    assert not [path for path in journal.parent.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]


def test_metrics_to_a_file(journal: Path, tmp_path: Path) -> None:
    assert tamiz("observe", "metrics", "--out", tmp_path / "tamiz.prom").out == ""
    families = {one.name: one for one in text_string_to_metric_families((tmp_path / "tamiz.prom").read_text())}
    assert sum(sample.value for sample in families["tamiz_tickets"].samples) == 9
    missing = tamiz("observe", "metrics", "--out", tmp_path / "no" / "tamiz.prom")
    assert missing.code == 1
    assert "can't be written" in missing.err


@pytest.mark.usefixtures("journal")
def test_metrics_are_served_until_ctrl_c() -> None:
    with running("serve-metrics", "--port", "0") as process:
        assert process.stderr is not None
        url = next(word for word in process.stderr.readline().split() if word.startswith("http")).rstrip(";")
        assert 'tamiz_tickets_total{mode="live",outcome="accepted"} 9.0' in httpx.get(url).text
    assert process.returncode == 130


def test_following_sends_what_is_added(journal: Path, tmp_path: Path) -> None:
    with serve(create_loki(tmp_path / "loki")) as url, running("ship", "--follow", "--url", url) as process:
        for _ in wait_for():
            if len(seqs(url, journal)) == 10:
                break
        append(journal, written(1, now()), written(2, now()))
        for _ in wait_for():
            if len(seqs(url, journal)) == 12:
                break
    assert process.returncode == 130
    assert json.loads(tamiz("observe", "dead", "--url", url, "--json").out) == {"dead": []}
