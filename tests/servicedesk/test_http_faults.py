"""Effectively-once writeback: what the desk's own history says after lost answers, failures, edits, restarts and kills."""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import DeskError, RevisionConflict
from core.ticket import Ticket
from mocks.app import build
from mocks.desk import create_desk, open_desk, router
from mocks.desk_models import Patch
from mocks.desk_store import DeskStore
from mocks.faults import FaultInjection, FaultRule, Faults
from mocks.serve import serve
from servicedesk.desk import WriteResult
from servicedesk.http import HttpDesk
from servicedesk.retry import Policy

ROOT = Path(__file__).resolve().parents[2]
PATIENT = Policy(timeout=2.0, deadline=20.0, attempts=40, first=0.001, longest=0.01, knocks=40)
STORM = Faults(
    seed=11,
    rules=(
        FaultRule(kind="latency", rate=0.05, seconds=0.005),
        FaultRule(kind="drop", route="/tickets/*", methods=frozenset({"PATCH"}), rate=0.2),
        FaultRule(kind="truncate", route="/tickets*", rate=0.1),
        FaultRule(kind="status", route="/tickets/*", methods=frozenset({"PATCH"}), rate=0.1, status=500, processed=True),
        FaultRule(kind="status", rate=0.05, status=503),
        FaultRule(kind="status", rate=0.05, status=429, retry_after=0.005),
        FaultRule(kind="status", route="/tickets/*", rate=0.05, status=409),
    ),
)


def tickets_file(folder: Path, count: int) -> Path:
    path = folder / "open.jsonl"
    path.write_text("".join(json.dumps({"id": f"I{n}", "subject": "VPN"}) + "\n" for n in range(count)), encoding="utf-8")
    return path


def write(desk: HttpDesk, ticket: Ticket) -> WriteResult:
    fields = {"category": "Red", "urgency": f"U{ticket.id}"}
    return desk.write(
        ticket.id, revision=ticket.revision, fields=fields, comment=f"De {ticket.id}", marker={"decision": ticket.id}
    )


def written(state: Path) -> dict[str, Counter[str]]:
    """ticket -> how often each kind of change by tamiz is in the desk's history on disk."""
    store = open_desk(state)
    tickets = json.loads(store.page(status=None, since=None, after=0, limit=5000).body)["tickets"]
    found = {ticket["id"]: changes(store, ticket["id"]) for ticket in tickets}
    store.close()
    return found


def changes(store: DeskStore, ticket: str) -> Counter[str]:
    entries = json.loads(store.history(ticket).body)["history"]
    return Counter(entry["field"] for entry in entries if entry["actor"] == "tamiz")


ONCE = Counter({"field:category": 1, "field:urgency": 1, "comment": 1, "property:tamiz": 1})


def test_200_writes_through_a_storm_of_faults_are_each_written_exactly_once(tmp_path: Path) -> None:
    seed = tickets_file(tmp_path, 200)
    with serve(create_desk(tmp_path / "s", tickets=seed, faults=STORM)) as url, HttpDesk(url, policy=PATIENT) as desk:
        tickets = list(desk.open_tickets())
        results = [write(desk, ticket) for ticket in tickets]
        assert all(result.written and result.revision == "2" for result in results)
        assert not any(write(desk, ticket).written for ticket in tickets)
        assert list(desk.open_tickets()) == []
    assert written(tmp_path / "s") == {f"I{n}": ONCE for n in range(200)}


def test_the_history_would_show_double_writes(tmp_path: Path) -> None:
    """A client that simply repeats what failed doubles comments under the same faults, and the history shows it."""
    seed = tickets_file(tmp_path, 30)
    headers = {"X-Actor": "tamiz", "If-Match": "*"}
    with serve(create_desk(tmp_path / "s", tickets=seed, faults=STORM)) as url, httpx.Client(base_url=url) as client:
        for number in range(30):
            for _ in range(20):
                with suppress(httpx.TransportError):
                    body = {"body": "Propuesta"}
                    if client.post(f"/tickets/I{number}/comments", json=body, headers=headers).is_success:
                        break
    assert max(counter["comment"] for counter in written(tmp_path / "s").values()) > 1


def test_many_workers_on_the_same_tickets_write_each_once(tmp_path: Path) -> None:
    seed = tickets_file(tmp_path, 20)
    with serve(create_desk(tmp_path / "s", tickets=seed, faults=STORM)) as url, HttpDesk(url, policy=PATIENT) as desk:
        tickets = list(desk.open_tickets()) * 4
        with ThreadPoolExecutor(4) as pool:
            assert {result.revision for result in pool.map(lambda ticket: write(desk, ticket), tickets)} == {"2"}
    assert written(tmp_path / "s") == {f"I{n}": ONCE for n in range(20)}


class EditOnce:
    """A person who edits ticket I0 once, right before or right after the first update that arrives."""

    def __init__(self, app: ASGIApp, store: DeskStore, *, before: bool) -> None:
        self.app = app
        self.store = store
        self.before = before
        self.done = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        mine = scope["type"] == "http" and scope["method"] == "PATCH" and not self.done
        if mine and self.before:
            self.edit()
        await self.app(scope, receive, send)
        if mine and not self.before:
            self.edit()

    def edit(self) -> None:
        self.done = True
        self.store.patch("I0", Patch(fields={"urgency": "por Ana"}), "ana", None)


@contextmanager
def edited(folder: Path, *, before: bool, faults: Faults) -> Iterator[HttpDesk]:
    store = open_desk(folder / "s", tickets_file(folder, 1))
    app = build("Desk", [router], {"desk": store}, faults=Faults(), token="")
    with serve(FaultInjection(EditOnce(app, store, before=before), faults)) as url, HttpDesk(url, policy=PATIENT) as desk:
        yield desk


def test_an_edit_between_reading_and_writing_is_a_conflict(tmp_path: Path) -> None:
    with edited(tmp_path, before=True, faults=Faults()) as desk:
        (ticket,) = desk.open_tickets()
        with pytest.raises(RevisionConflict):
            write(desk, ticket)
    assert written(tmp_path / "s") == {"I0": Counter()}


def test_an_edit_after_a_write_whose_answer_was_lost_is_neither_undone_nor_a_conflict(tmp_path: Path) -> None:
    lost = Faults(rules=(FaultRule(kind="drop", methods=frozenset({"PATCH"}), limit=1),))
    with edited(tmp_path, before=False, faults=lost) as desk:
        (ticket,) = desk.open_tickets()
        assert write(desk, ticket) == WriteResult("3", written=True, skipped={})
        assert desk.get("I0").fields["urgency"] == "por Ana"
    assert written(tmp_path / "s") == {"I0": ONCE}


def test_an_answer_too_late_is_looked_up(tmp_path: Path) -> None:
    late = Faults(rules=(FaultRule(kind="latency", methods=frozenset({"PATCH"}), seconds=0.4, limit=1),))
    seed = tickets_file(tmp_path, 1)
    hasty = Policy(timeout=0.1, deadline=10.0, attempts=40, first=0.02, longest=0.05)
    with serve(create_desk(tmp_path / "s", tickets=seed, faults=late)) as url, HttpDesk(url, policy=hasty) as desk:
        (ticket,) = desk.open_tickets()
        assert write(desk, ticket).written
        time.sleep(0.5)  # the first update arrives now and must find its work done
    assert written(tmp_path / "s") == {"I0": ONCE}


def test_a_desk_that_stays_broken_is_an_error_within_the_deadline(tmp_path: Path) -> None:
    broken = Faults(rules=(FaultRule(kind="status", status=429, retry_after=60, skip=1),))
    seed = tickets_file(tmp_path, 1)
    with serve(create_desk(tmp_path / "s", tickets=seed, faults=broken)) as url, HttpDesk(url, policy=PATIENT) as desk:
        (ticket,) = desk.open_tickets()
        begin = time.monotonic()
        with pytest.raises(DeskError, match="run again later"):
            write(desk, ticket)
        assert time.monotonic() - begin < 20


def test_a_restart_of_the_desk_in_the_middle_is_bridged(tmp_path: Path) -> None:
    seed = tickets_file(tmp_path, 20)
    with serve(create_desk(tmp_path / "s", tickets=seed)) as url:
        desk = HttpDesk(url, policy=PATIENT)
        tickets = list(desk.open_tickets())
        for ticket in tickets[:10]:
            write(desk, ticket)
    with serve(create_desk(tmp_path / "s", tickets=seed), urlsplit(url).port or 0):
        assert [write(desk, ticket).written for ticket in tickets] == [False] * 10 + [True] * 10
        desk.close()
    assert written(tmp_path / "s") == {f"I{n}": ONCE for n in range(20)}


@contextmanager
def desk_process(folder: Path, seed: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    ready = folder / "ready.json"
    words = ["desk", "--port", "0", "--state", str(folder / "s"), "--tickets", str(seed), "--ready-file", str(ready)]
    with subprocess.Popen([sys.executable, "-m", "mocks", *words], cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            while not ready.exists() or json.loads(ready.read_text())["pid"] != process.pid:
                assert process.poll() is None
                time.sleep(0.01)
            yield json.loads(ready.read_text())["url"], process.kill
        finally:
            process.kill()


def write_until_killed(desk: HttpDesk, tickets: list[Ticket], kill: Callable[[], None]) -> None:
    """The kill comes from another thread, at any point of a writeback after the sixtieth."""
    for number, ticket in enumerate(tickets):
        if number == 60:
            threading.Timer(0.005, kill).start()
        write(desk, ticket)


def test_a_desk_killed_in_the_middle_of_a_run_has_each_write_once_after_the_next_run(tmp_path: Path) -> None:
    seed = tickets_file(tmp_path, 160)
    short = Policy(timeout=1.0, deadline=1.0, attempts=3, first=0.001, longest=0.01)
    with desk_process(tmp_path, seed) as (url, kill), HttpDesk(url, policy=short) as desk:
        tickets = list(desk.open_tickets())
        with pytest.raises(DeskError):
            write_until_killed(desk, tickets, kill)
    before = sum(counter == ONCE for counter in written(tmp_path / "s").values())
    assert 60 <= before < 160
    with desk_process(tmp_path, seed) as (url, _), HttpDesk(url, policy=PATIENT) as desk:
        assert sum(not write(desk, ticket).written for ticket in tickets) == before
    assert written(tmp_path / "s") == {f"I{n}": ONCE for n in range(160)}
