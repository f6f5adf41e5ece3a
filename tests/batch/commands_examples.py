"""The commands as a person runs them, over real files and a real desk on loopback, and what the desk says of it afterwards."""

import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import yaml
from starlette.types import ASGIApp, Receive, Scope, Send

from batch.cli import main
from core.taxonomy import Taxonomy
from mocks.app import build
from mocks.desk import open_desk, router
from mocks.faults import FaultInjection, Faults
from mocks.serve import serve
from observability.journal import Journal
from observability.records import DecisionRecord, WritebackRecord

EXAMPLES = Path(__file__).resolve().parents[2] / "mocks" / "examples"
RESOLVED, OPEN, GOLD = EXAMPLES / "resolved.jsonl", EXAMPLES / "open.jsonl", EXAMPLES / "open_gold.jsonl"
TAXONOMY_FILE = EXAMPLES / "taxonomy.yaml"
ACTOR = "tamiz"
SOME = 24
"""Open tickets where a test does not need all of them."""


@dataclass(frozen=True)
class Result:
    """What a command left: its exit code and what it printed, with `err` unwrapped to single spaces."""

    code: object
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Standard output, which has to be one JSON object by the standard: no NaN, and nothing before or after it."""
        found = json.loads(self.out, parse_constant=_no_constant)
        assert isinstance(found, dict)
        return found


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def tamiz(*arguments: object) -> Result:
    """Run a command in this process. An error that would be a traceback for the user is one here too."""
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with patch.object(sys, "argv", ["batch", *map(str, arguments)]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as exit_:
            code = exit_.code or 0
    return Result(code, out.getvalue(), " ".join(err.getvalue().split()))


def copy_home(source: Path, target: Path) -> None:
    """A copy of a home that takes no more room than the original: an index reserves far more than it fills."""
    shutil.copytree(source, target, copy_function=_copy_without_holes)


def _copy_without_holes(source: str, target: str) -> str:
    with open(source, "rb") as old, open(target, "wb") as new:
        size = os.fstat(old.fileno()).st_size
        end = 0
        while end < size:
            try:
                start = os.lseek(old.fileno(), end, os.SEEK_DATA)
            except OSError:  # nothing but a hole is left
                break
            end = os.lseek(old.fileno(), start, os.SEEK_HOLE)
            os.pwrite(new.fileno(), os.pread(old.fileno(), end - start, start), start)
        new.truncate(size)
    shutil.copymode(source, target)
    return target


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The objects of a .jsonl file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """A .jsonl file of these objects."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def example_taxonomy() -> Taxonomy:
    return Taxonomy.model_validate(yaml.safe_load(TAXONOMY_FILE.read_text(encoding="utf-8")))


def some_open(path: Path, count: int) -> Path:
    """A file of the first open tickets."""
    return write_rows(path, rows_of(OPEN)[:count])


@contextmanager
def running_desk(
    state: Path,
    tickets: Path = OPEN,
    faults: Faults | None = None,
    *,
    around: Callable[[ASGIApp], ASGIApp] = lambda app: app,
    port: int = 0,
) -> Iterator["Desk"]:
    """The mock desk with its state under `state`, over HTTP. `faults` strike the commands only, never who asks through `Desk`."""
    store = open_desk(state, tickets)
    app = around(build("Mock service desk", [router], {"desk": store}, faults=Faults(), token=""))
    ours = _OnlyOurs(app, FaultInjection(app, faults or Faults()))
    with serve(ours, port) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield Desk(url, client)


@dataclass(frozen=True)
class _OnlyOurs:
    """Sends the requests of the commands one way and all others the plain way."""

    plain: ASGIApp
    faulty: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ours = (b"x-actor", ACTOR.encode()) in scope.get("headers", ())
        await (self.faulty if ours else self.plain)(scope, receive, send)


@dataclass(frozen=True)
class Desk:
    """A running desk, as somebody sees it who asks it over HTTP."""

    url: str
    client: httpx.Client

    def tickets(self) -> dict[str, Any]:
        return {ticket["id"]: ticket for ticket in self._get("/tickets?limit=1000")["tickets"]}

    def history(self, ticket_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._get(f"/tickets/{ticket_id}/history")["history"]
        return found

    def comments(self, ticket_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._get(f"/tickets/{ticket_id}/comments")["comments"]
        return found

    def edit(self, ticket_id: str, **change: object) -> None:
        """A person changes a ticket."""
        revision = self._get(f"/tickets/{ticket_id}")["revision"]
        answer = self.client.patch(f"/tickets/{ticket_id}", json={"revision": revision, **change}, headers={"X-Actor": "ana"})
        assert answer.status_code == 200, answer.text

    def writes(self) -> dict[str, int]:
        """How many times we wrote to each ticket: the revisions in its audit trail that are ours."""
        trails = {ticket_id: self.history(ticket_id) for ticket_id in self.tickets()}
        return {i: len({change["revision"] for change in trail if change["actor"] == ACTOR}) for i, trail in trails.items()}

    def _get(self, path: str) -> dict[str, Any]:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def decisions(home: Path) -> list[DecisionRecord]:
    """All decisions of a home's journal, oldest first."""
    with Journal(home / "journal.sqlite") as journal:
        return [record for record in journal.records(kind="decision") if isinstance(record, DecisionRecord)]


def write_states(home: Path) -> dict[str, list[str]]:
    """ticket id -> what the journal notes of its writes, oldest first."""
    states: dict[str, list[str]] = {}
    with Journal(home / "journal.sqlite") as journal:
        for record in journal.records(kind="writeback"):
            assert isinstance(record, WritebackRecord)
            states.setdefault(record.ticket_id, []).append(record.state)
    return states
