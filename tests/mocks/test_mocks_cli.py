"""`python -m mocks` as a person and a script start it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from mocks.cli import app

ROOT = Path(__file__).resolve().parents[2]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "mocks", *words]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)


@contextmanager
def started(folder: Path, *words: str) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    ready = folder / "ready.json"
    line = command(*words, "--port", "0", "--state", str(folder / "state"), "--ready-file", str(ready))
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            end = time.monotonic() + 60
            while not ready.exists():
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.01)
            said = json.loads(ready.read_text())
            assert said["pid"] == process.pid
            yield said["url"], process
        finally:
            process.kill()


def test_everything_under_one_address_until_it_is_told_to_stop(tmp_path: Path) -> None:
    tickets = tmp_path / "t.jsonl"
    tickets.write_text('{"id": "A", "subject": "x"}\n')
    with started(tmp_path, "all", "--tickets", str(tickets)) as (url, process):
        assert url.startswith("http://127.0.0.1:")
        assert [t["id"] for t in httpx.get(f"{url}/tickets").json()["tickets"]] == ["A"]
        assert "directorio" in httpx.get(f"{url}/systems").json()["systems"]
        assert httpx.post(f"{url}/systems/directorio/actions", json={"action": "x"}).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert not (tmp_path / "ready.json").exists()
    assert "desk.sqlite, systems.sqlite" in run("reset", "--state", str(tmp_path / "state")).stdout
    other = tmp_path / "u.jsonl"
    other.write_text('{"id": "B"}\n')
    with started(tmp_path, "desk", "--tickets", str(other)) as (url, _):
        assert [t["id"] for t in httpx.get(f"{url}/tickets").json()["tickets"]] == ["B"]


def test_clear_errors(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = run("systems", "--port", port, "--state", str(tmp_path))
    assert result.returncode == 1
    assert "--port" in result.stderr
    assert "Traceback" not in result.stderr


def test_help_is_quick_and_says_what_there_is() -> None:
    begin = time.process_time(), os.times().children_user
    result = run("--help")
    assert os.times().children_user - begin[1] < 0.7
    for word in ("desk", "systems", "loki", "all", "reset"):
        assert word in result.stdout


@pytest.mark.parametrize("name", ["desk", "systems", "loki", "all", "reset"])
def test_every_command_has_an_example(name: str) -> None:
    assert f"python -m mocks {name}" in CliRunner().invoke(app, [name, "--help"]).output
