"""`run` against a service desk: what is decided, what is really at the desk, and that nothing is lost or written twice."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.ticket import Exemplar
from knowledge.edge_shelf import EdgeShelf
from mocks.faults import FaultRule, Faults
from observability.journal import Journal
from observability.records import DecisionRecord
from tests.batch.commands_examples import (
    ACTOR,
    SOME,
    Desk,
    decisions,
    example_taxonomy,
    rows_of,
    running_desk,
    some_open,
    tamiz,
    write_rows,
    write_states,
)

ALL = 120
ROOT = Path(__file__).resolve().parents[2]
PATCH = frozenset({"PATCH"})


@dataclass(frozen=True)
class Finished:
    """A run over all open tickets that has been done, and the desk it was done at."""

    home: Path
    desk: Desk
    report: dict[str, Any]
    records: list[DecisionRecord]

    @property
    def known(self) -> dict[str, Exemplar]:
        return {exemplar.id: exemplar for exemplar in EdgeShelf(self.home).exemplars()}


@pytest.fixture(scope="module")
def finished(prepared_copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    with running_desk(tmp_path_factory.mktemp("desk")) as desk, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAMIZ_DESK__URL", desk.url)
        result = tamiz("run", "--json")
        assert result.code == 0, result.err
        yield Finished(prepared_copy, desk, result.json, decisions(prepared_copy))


def test_every_ticket_has_one_decision_and_the_report_counts_them(finished: Finished) -> None:
    assert len(finished.records) == len({record.ticket_id for record in finished.records}) == ALL
    outcomes = [record.outcome for record in finished.records]
    counted = {name: outcomes.count(name) for name in ("accepted", "suggested", "escalated")}
    assert counted["accepted"] >= 10, "the tests below show little without accepted tickets"
    totals = finished.report["totals"]
    assert {name: totals[name] for name in counted} == counted
    assert (totals["tickets"], totals["written"], totals["unreadable"]) == (ALL, ALL, 0)
    assert sum(cause["count"] for cause in finished.report["causes"]) == counted["escalated"]
    assert [ticket["id"] for ticket in finished.report["tickets"]] == [record.ticket_id for record in finished.records]


def test_the_desk_holds_what_was_accepted_and_nothing_else(finished: Finished) -> None:
    taxonomy, tickets = example_taxonomy(), finished.desk.tickets()
    for record in finished.records:
        fields = tickets[record.ticket_id]["fields"]
        assert fields == {name: record.fusion[name].label for name in record.written}
        assert (record.outcome == "accepted") == bool(fields)
        assert all(label in taxonomy.labels(name) for name, label in fields.items())


def test_every_ticket_has_one_internal_comment_that_names_what_was_filled_in(finished: Finished) -> None:
    for record in finished.records:
        (comment,) = finished.desk.comments(record.ticket_id)
        assert (comment["author"], comment["public"]) == (ACTOR, False)
        assert all(record.fusion[name].label in comment["body"] for name in record.written)


def test_what_is_written_rests_on_exemplars_that_exist_and_carry_the_label(finished: Finished) -> None:
    known = finished.known
    written = [(record, name) for record in finished.records for name in record.written]
    assert written
    for record, name in written:
        fused = record.fusion[name]
        assert fused.evidence, f"{record.ticket_id}: {name} was written without evidence"
        assert {known[i].labels[name] for i in fused.evidence} == {fused.label}
        assert fused.mode == "autofill"
        threshold = record.thresholds[name].value
        assert threshold is not None
        assert (fused.confidence or 0.0) >= threshold


def test_all_proposed_labels_are_in_the_taxonomy(finished: Finished) -> None:
    taxonomy = example_taxonomy()
    for record in finished.records:
        assert all(fused.label in taxonomy.labels(name) for name, fused in record.fusion.items())


def test_resolutions_are_an_exemplars_own_words(finished: Finished) -> None:
    known, taxonomy = finished.known, example_taxonomy()
    proposed = [record.resolution for record in finished.records if record.resolution and record.resolution.exemplar]
    assert len(proposed) >= 10
    for resolution in proposed:
        exemplar = known[resolution.exemplar]
        assert (resolution.text, resolution.kind) == (exemplar.resolution, exemplar.labels["resolution_kind"])
        assert resolution.group == (exemplar.labels["assignment_group"] if resolution.kind == "reassign" else "")
        assert not resolution.system or resolution.system in taxonomy.systems
    unexplained = [record.resolution for record in finished.records if record.resolution and not record.resolution.exemplar]
    assert {(resolution.kind, resolution.text) for resolution in unexplained} <= {("manual", "")}


def test_empty_and_pointless_tickets_are_escalated_as_such_and_nothing_is_guessed(finished: Finished) -> None:
    tags = {row["id"]: row["tag"] for row in rows_of(ROOT / "mocks" / "examples" / "open_gold.jsonl")}
    expected = {"empty": {"empty"}, "pointless": {"pointless", "auto_reply"}}
    for record in finished.records:
        causes = {cause.code for cause in record.causes}
        assert record.outcome != "escalated" or causes
        if tags[record.ticket_id] in expected:
            assert record.outcome == "escalated"
            assert causes <= expected[tags[record.ticket_id]]
            assert (record.fusion, record.resolution, record.written) == ({}, None, ())
        else:
            assert not causes & {"empty", "pointless", "auto_reply"}


def test_a_second_run_finds_nothing_to_do(finished: Finished) -> None:
    before = {ticket_id: finished.desk.history(ticket_id) for ticket_id in finished.desk.tickets()}
    assert set(finished.desk.writes().values()) == {1}
    result = tamiz("run")
    assert result.code == 0
    assert "Nothing is left to do: 120 open tickets" in result.out
    assert {ticket_id: finished.desk.history(ticket_id) for ticket_id in finished.desk.tickets()} == before
    assert len(decisions(finished.home)) == ALL


def test_the_run_leaves_report_review_list_and_journal(finished: Finished) -> None:
    paths = {name: Path(path) for name, path in finished.report["paths"].items()}
    assert paths["report"].read_text(encoding="utf-8").startswith("<!doctype html>")
    review = paths["review"].read_text(encoding="utf-8-sig").splitlines()
    assert len(review) >= 1 + finished.report["totals"]["suggested"] + finished.report["totals"]["escalated"]
    assert json.loads((paths["report"].parent / "report.json").read_text(encoding="utf-8"))["run"] == finished.report["run"]
    assert paths["journal"] == finished.home / "journal.sqlite"


def test_a_dry_run_writes_nothing_to_the_desk_and_a_real_one_then_does_it_all(home: Path, desk: Desk) -> None:
    before = {ticket_id: desk.history(ticket_id) for ticket_id in desk.tickets()}
    dry = tamiz("run", "--dry-run", "--json")
    assert dry.code == 0, dry.err
    assert {ticket_id: desk.history(ticket_id) for ticket_id in desk.tickets()} == before
    assert dry.json["dry_run"]
    assert (dry.json["totals"]["tickets"], dry.json["totals"]["written"]) == (SOME, 0)
    real = tamiz("run", "--json")
    assert (real.json["totals"]["tickets"], real.json["totals"]["written"]) == (SOME, SOME)
    assert _decided(dry.json) == _decided(real.json)


def _decided(report: dict[str, Any]) -> list[Any]:
    return [(t["id"], t["outcome"], {name: f["label"] for name, f in t["fields"].items()}) for t in report["tickets"]]


def test_a_limit_leaves_the_rest_for_the_next_run(home: Path, desk: Desk) -> None:
    first = tamiz("run", "--limit", 5, "--json").json
    assert [ticket["id"] for ticket in first["tickets"]] == [f"T-200{n}" for n in range(1, 6)]
    assert sum(desk.writes().values()) == 5
    second = tamiz("run", "--limit", 7, "--json").json
    assert second["tickets"][0]["id"] == "T-2006"
    third = tamiz("run", "--json").json
    assert third["totals"]["tickets"] == SOME - 12
    assert set(desk.writes().values()) == {1}


def test_a_ticket_that_a_person_has_changed_since_is_decided_again(home: Path, desk: Desk) -> None:
    tamiz("run")
    desk.edit("T-2001", description="The monitor flickers since this morning.")
    again = tamiz("run", "--json").json
    assert [ticket["id"] for ticket in again["tickets"]] == ["T-2001"]
    assert desk.writes() == {ticket_id: 1 + (ticket_id == "T-2001") for ticket_id in desk.tickets()}


@dataclass
class SomebodyIsFaster:
    """Around a desk: when a ticket of ours is about to be read for writing, a person changes that ticket first."""

    desk: ASGIApp
    ticket: str
    change: dict[str, Any]
    done: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == f"/tickets/{self.ticket}" and not self.done:
            self.done.append(self.ticket)
            await self._edit(scope)
        await self.desk(scope, receive, send)

    async def _edit(self, scope: Scope) -> None:
        body = json.dumps({"revision": 1, **self.change}).encode()
        headers = [(b"x-actor", b"ana"), (b"content-type", b"application/json")]
        statuses: list[int] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            statuses.append(message.get("status", 0))

        await self.desk({**scope, "method": "PATCH", "headers": headers}, receive, send)
        assert statuses[0] == 200


def test_what_a_person_changes_between_listing_and_writing_stays(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = {"fields": {"category": "Seguridad", "urgency": "Alta"}, "comment": "This is mine."}
    tickets = some_open(tmp_path / "open.jsonl", 6)
    with running_desk(tmp_path / "desk", tickets, around=lambda app: SomebodyIsFaster(app, "T-2001", change)) as desk:
        monkeypatch.setenv("TAMIZ_DESK__URL", desk.url)
        result = tamiz("run", "--json")
        assert result.code == 0, result.err
        theirs = desk.tickets()["T-2001"]
        assert (theirs["fields"], theirs["properties"]) == (change["fields"], {})
        assert write_states(home)["T-2001"] == ["intended", "conflict"]
        assert result.json["totals"]["conflict"] == 1
        assert desk.writes() == {ticket_id: int(ticket_id != "T-2001") for ticket_id in desk.tickets()}
        again = tamiz("run", "--json").json
        assert [ticket["id"] for ticket in again["tickets"]] == ["T-2001"]
        held = desk.tickets()["T-2001"]["fields"]
        assert {name: held[name] for name in change["fields"]} == change["fields"], "what a person filled in was overwritten"
        assert set(desk.writes().values()) == {1}


FAULTS = {
    "answers lost": FaultRule(kind="drop", route="/tickets/*", methods=PATCH, rate=0.4),
    "answers cut": FaultRule(kind="truncate", route="/tickets*", rate=0.3),
    "500 after doing it": FaultRule(kind="status", route="/tickets/*", methods=PATCH, rate=0.4, status=500, processed=True),
    "500 instead of doing it": FaultRule(kind="status", route="/tickets*", rate=0.3, status=500),
    "too many requests": FaultRule(kind="status", rate=0.3, status=429, retry_after=0.02),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_with_a_faulty_desk_nothing_is_lost_and_nothing_is_twice(
    kind: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = Faults(seed=5, rules=(FAULTS[kind],))
    with running_desk(tmp_path / "desk", some_open(tmp_path / "open.jsonl", SOME), faults) as desk:
        monkeypatch.setenv("TAMIZ_DESK__URL", desk.url)
        result = tamiz("run", "--json")
        assert result.code == 0, result.err
        assert {states[-1] for states in write_states(home).values()} == {"written"}
        assert set(desk.writes().values()) == {1}
        for record in decisions(home):
            assert desk.tickets()[record.ticket_id]["fields"] == {n: record.fusion[n].label for n in record.written}
            assert len(desk.comments(record.ticket_id)) == 1


def test_a_desk_that_takes_no_writes_is_said_and_made_up_for_by_the_next_run(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = Faults(rules=(FaultRule(kind="status", route="/tickets/*", methods=PATCH, status=504, retry_after=100.0),))
    tickets = some_open(tmp_path / "open.jsonl", 3)
    with running_desk(tmp_path / "desk", tickets, faults) as desk:
        monkeypatch.setenv("TAMIZ_DESK__URL", desk.url)
        result = tamiz("run", "--json")
        assert result.code == 1
        assert result.json["totals"]["failed"] == 3
        assert "3 decisions could not be written" in result.err
        assert "504" in result.err
        assert sum(desk.writes().values()) == 0
        port = int(desk.url.rpartition(":")[2])
    with running_desk(tmp_path / "desk", tickets, port=port) as desk:
        again = tamiz("run", "--json")
        assert again.code == 0, again.err
        assert (again.json["totals"]["settled"], again.json["totals"]["tickets"]) == (3, 0)
        assert set(desk.writes().values()) == {1}
        assert len(decisions(home)) == 3


def test_a_desk_that_is_not_there_is_a_clear_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAMIZ_DESK__URL", "http://127.0.0.1:9")
    result = tamiz("run")
    assert result.code == 1
    assert "Nothing answers at http://127.0.0.1:9" in result.err
    assert "do: Start the desk there, or correct its address" in result.err


def test_a_ticket_that_cannot_be_read_is_listed_and_the_others_go_on(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tickets = write_rows(tmp_path / "open.jsonl", [*rows_of(some_open(tmp_path / "two.jsonl", 2)), {"id": "T-bad"}])
    with running_desk(tmp_path / "desk", tickets, around=lambda app: Garbled(app)) as desk:
        monkeypatch.setenv("TAMIZ_DESK__URL", desk.url)
        result = tamiz("run", "--json")
        assert result.code == 3
        assert result.json["totals"]["tickets"] == 2
        assert result.json["totals"]["unreadable"] == 1
        assert "row 3, subject" in result.err
        assert desk.writes() == {"T-2001": 1, "T-2002": 1, "T-bad": 0}


@dataclass
class Garbled:
    """Around a desk: in its listing one ticket's subject is no text."""

    desk: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def spoilt(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [h for h in message["headers"] if h[0] != b"content-length"]}
            elif b'"id":"T-bad"' in message.get("body", b""):
                at = message["body"].index(b'"id":"T-bad"')
                message = {
                    **message,
                    "body": message["body"][:at] + message["body"][at:].replace(b'"subject":""', b'"subject":[]'),
                }
            await send(message)

        listing = scope["type"] == "http" and scope["path"] == "/tickets" and (b"x-actor", b"tamiz") in scope["headers"]
        await self.desk(scope, receive, spoilt if listing else send)


def kill_in_mid_run(desk: Desk, after: int) -> None:
    """Start `run` as a process of its own and kill it (SIGKILL) when `after` more tickets have been written."""
    before = sum(desk.writes().values())
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TAMIZ_RUN__CHUNK": "6"}
    process = subprocess.Popen(
        [sys.executable, "-m", "batch", "run"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while sum(desk.writes().values()) < before + after:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize(
    "kills", [pytest.param((9,), id="once"), pytest.param((1, 5, 6), id="three times", marks=pytest.mark.slow)]
)
def test_a_run_that_is_killed_is_completed_by_the_next_one(
    kills: tuple[int, ...], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_drops = Faults(
        rules=(
            FaultRule(kind="latency", route="/tickets/*", seconds=0.05),
            FaultRule(kind="drop", route="/tickets/*", methods=PATCH, rate=0.2),
        )
    )
    with running_desk(tmp_path / "desk", some_open(tmp_path / "open.jsonl", SOME), slow_drops) as desk:
        monkeypatch.setenv("TAMIZ_DESK__URL", desk.url)
        for after in kills:
            kill_in_mid_run(desk, after)
        written = sum(desk.writes().values())
        assert 0 < written < SOME
        result = tamiz("run", "--json")
        assert result.code == 0, result.err
        assert set(desk.writes().values()) == {1}
        assert {record.ticket_id for record in decisions(home)} == set(desk.tickets())
        assert all(len(desk.comments(ticket_id)) == 1 for ticket_id in desk.tickets())
        with Journal(home / "journal.sqlite") as journal:
            assert not journal.pending_writes()
        assert tamiz("run", "--json").json["totals"]["tickets"] == 0
