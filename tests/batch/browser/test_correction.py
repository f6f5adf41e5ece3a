"""A correction made in the browser, with every part a process of its own: it answers the next ticket of a run that is under way,
outlives both, and is learned from."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from observability.records import DecisionRecord
from tests.batch.browser.conftest import OpenPage
from tests.batch.commands_examples import OPEN, decisions, example_taxonomy, rows_of, running_desk, tamiz, write_rows

ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Held:
    """A desk that keeps whoever writes to a ticket waiting until it is let go; `asked` once somebody does."""

    ticket: str
    asked: threading.Event = field(default_factory=threading.Event)
    free: threading.Event = field(default_factory=threading.Event)

    def around(self, app: ASGIApp) -> ASGIApp:
        async def held(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and (scope["method"], scope["path"]) == ("PATCH", f"/tickets/{self.ticket}"):
                self.asked.set()
                await asyncio.to_thread(self.free.wait, 120.0)
            await app(scope, receive, send)

        return held


@contextmanager
def process(tmp_path: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command as a process; ended at the end if it has not ended by itself."""
    command = [sys.executable, "-m", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TAMIZ_RUN__CHUNK": "1"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as one:
        try:
            yield one
        finally:
            one.kill()


@contextmanager
def pages(tmp_path: Path) -> Iterator[str]:
    """`batch web`, ended as a person ends it."""
    with process(tmp_path, "batch", "web", "--port", "0", "--who", "ana") as web:
        assert web.stderr is not None
        said = web.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", said)
        assert found, said + web.stderr.read()
        yield found[0]
        web.send_signal(signal.SIGINT)
        _, err = web.communicate(timeout=60)
        assert (web.returncode, err) == (0, "")


def decided(home: Path, ticket: str) -> DecisionRecord:
    return next(d for d in decisions(home) if d.ticket_id == ticket)


def nearest(record: DecisionRecord) -> str:
    return record.neighbours[0].labels.get("urgency", "")


def weight(record: DecisionRecord, label: str) -> float:
    return record.fusion["urgency"].distribution.get(label) or 0.0


@pytest.mark.slow
def test_a_correction_in_the_browser_answers_the_next_ticket(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_page: OpenPage
) -> None:
    assert tamiz("run", write_rows(tmp_path / "first.jsonl", rows_of(OPEN)[:10]), "--json").code == 0
    judged = next(d for d in decisions(home) if d.outcome == "suggested")
    label = next(
        one for one in example_taxonomy().labels("urgency") if one not in {judged.fusion["urgency"].label, nearest(judged)}
    )
    alike = [{"id": f"N-{n}", "subject": judged.subject, "description": f"{judged.body} gracias {n}"} for n in range(3)]
    held = Held("N-0")
    with running_desk(tmp_path / "desk", write_rows(tmp_path / "open.jsonl", alike[:2]), around=held.around) as desk:
        monkeypatch.setenv("TAMIZ_DESK__URL", desk.url)
        with pages(tmp_path) as url, process(tmp_path, "batch", "run", "--json") as run:
            page = open_page(f"{url}/tickets/{judged.ticket_id}")
            assert held.asked.wait(120.0), run.stderr and run.stderr.read()  # the run is between its two tickets
            page.get_by_label("urgency").select_option(label)
            page.get_by_role("button", name="Correct").click()
            page.get_by_role("status").wait_for()
            assert run.poll() is None
            held.free.set()
            _, err = run.communicate(timeout=120)
            assert run.returncode == 0, err
        before, after = decided(home, "N-0"), decided(home, "N-1")
        assert (nearest(before), nearest(after)) == (nearest(judged), label)
        assert (after.opinions["vote"]["urgency"][label] or 0.0) > 0.5
        assert weight(after, label) > weight(before, label)

        again = write_rows(tmp_path / "again.jsonl", alike[2:])
        with pages(tmp_path) as url, process(tmp_path, "batch", "run", str(again), "--json") as run:
            page = open_page(f"{url}/tickets/{judged.ticket_id}")
            assert "ana: corrected" in page.locator(".history").inner_text()
            assert f"urgency={label}" in page.locator(".history").inner_text()
            _, err = run.communicate(timeout=120)
            assert run.returncode == 0, err
        assert nearest(decided(home, "N-2")) == label

    with process(tmp_path, "finetune", "data", "--out", "lessons") as making:
        _, err = making.communicate(timeout=300)
        assert making.returncode == 0, err
    lines = [json.loads(line) for path in (tmp_path / "lessons").glob("*.jsonl") for line in path.read_text().splitlines()]
    (lesson,) = [one for one in lines if one["source"] == "journal"]
    assert lesson["gold"]["urgency"] == label
    assert lesson["id"] == after.neighbours[0].exemplar
