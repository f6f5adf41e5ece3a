"""The HTTP adapter against the mock desk and against desks that misbehave, over real HTTP."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.errors import DeskError, RevisionConflict, SettingsError
from mocks.app import build
from mocks.desk import create_desk, open_desk, router
from mocks.desk_store import DeskStore
from mocks.faults import Faults
from mocks.serve import serve
from servicedesk.http import HttpDesk
from servicedesk.retry import Policy

QUICK = Policy(timeout=2.0, deadline=5.0, attempts=4, first=0.002, longest=0.02)
MARK = {"decision": "d1"}


TICKETS: list[dict[str, Any]] = [
    {"id": "A", "subject": "VPN", "description": "No entra", "created": "2026-02-01T09:00:00+01:00", "mailbox": "ti@x.es"},
    {"id": "B", "subject": "Correo", "fields": {"category": "Correo", "urgency": " "}},
    {"id": "C", "subject": "Cerrado", "status": "closed"},
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, DeskStore, Path]]:
    """One desk for the file: its address, its state and the tickets it starts with."""
    folder = tmp_path_factory.mktemp("desk")
    path = folder / "open.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in TICKETS), encoding="utf-8")
    store = open_desk(folder)
    with serve(build("Desk", [router], {"desk": store}, faults=Faults(), token="")) as address:
        yield address, store, path


@pytest.fixture
def url(served: tuple[str, DeskStore, Path]) -> str:
    """The desk with nothing but the tickets it starts with."""
    address, store, path = served
    store.clear()
    store.seed(path)
    return address


@pytest.fixture
def desk(url: str) -> Iterator[HttpDesk]:
    with HttpDesk(url, policy=QUICK) as it:
        yield it


class Scripted:
    """A desk that gives the answers it was told, one for each request, the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[Response] = []
        self.app = Starlette(routes=[Route("/{path:path}", self.answer, methods=["GET", "PATCH"])])

    async def answer(self, request: Request) -> Response:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


Answering = Callable[..., HttpDesk]


@pytest.fixture(scope="module")
def scripted() -> Iterator[tuple[str, Scripted]]:
    it = Scripted()
    with serve(it.app) as address:
        yield address, it


@pytest.fixture
def answering(scripted: tuple[str, Scripted]) -> Iterator[Answering]:
    address, script = scripted
    with ExitStack() as stack:

        def answer(*answers: Response) -> HttpDesk:
            script.answers = list(answers)
            return stack.enter_context(HttpDesk(address, policy=QUICK))

        yield answer


def history(url: str, ticket: str) -> list[tuple[str, str]]:
    entries: list[dict[str, Any]] = httpx.get(f"{url}/tickets/{ticket}/history").json()["history"]
    return [(e["field"], e["new"]) for e in entries if e["actor"] == "tamiz"]


def write(desk: HttpDesk, ticket: str = "A", revision: str = "1", **changed: Any) -> Any:  # noqa: ANN401
    given: dict[str, Any] = {"fields": {"category": "Red", "urgency": "Alta"}, "comment": "Propuesta", "marker": MARK, **changed}
    return desk.write(ticket, revision=revision, **given)


def test_open_tickets_are_read_as_tickets(desk: HttpDesk) -> None:
    first, second = desk.open_tickets()
    assert (first.id, first.subject, first.body, first.revision, first.mailbox) == ("A", "VPN", "No entra", "1", "ti@x.es")
    assert first.created == datetime(2026, 2, 1, 8, tzinfo=UTC)
    assert (second.id, second.labels) == ("B", {"category": "Correo"})
    assert desk.problems == []


def test_pages_are_followed_as_far_as_the_limit_says(url: str) -> None:
    for _ in range(5):
        httpx.post(f"{url}/tickets", json={"subject": "x"})
    with HttpDesk(url, page_size=2) as desk:
        assert len(list(desk.open_tickets())) == 7
        assert len(list(desk.open_tickets(3))) == 3
        assert list(desk.open_tickets(0)) == []


def test_a_writeback_sets_fields_comment_and_marker_in_one_revision(desk: HttpDesk, url: str) -> None:
    result = write(desk)
    assert (result.revision, result.written, result.skipped) == ("2", True, {})
    marker = json.dumps({**MARK, "revision": "1"})
    assert history(url, "A") == [
        ("field:category", "Red"),
        ("field:urgency", "Alta"),
        ("property:tamiz", marker),
        ("comment", "Propuesta"),
    ]
    assert httpx.get(f"{url}/tickets/A/comments").json()["comments"][0]["public"] is False
    state = desk.get("A")
    assert state.fields == {"category": "Red", "urgency": "Alta"}
    assert (state.marker, state.settled) == ({**MARK, "revision": "1"}, True)


def test_the_same_writeback_again_changes_nothing(desk: HttpDesk, url: str) -> None:
    write(desk)
    before = history(url, "A")
    again = write(desk)
    assert (again.written, again.revision) == (False, "2")
    httpx.patch(f"{url}/tickets/A", json={"revision": 2, "fields": {"urgency": "Baja"}}, headers={"X-Actor": "ana"})
    late = write(desk)
    assert (late.written, late.revision, late.skipped) == (False, "3", {"urgency": "Baja"})
    assert history(url, "A") == before


def test_a_settled_ticket_comes_back_only_when_somebody_touches_it(desk: HttpDesk, url: str) -> None:
    write(desk)
    assert [t.id for t in desk.open_tickets()] == ["B"]
    assert desk.settled == ["A"]
    assert [t.id for t in desk.open_tickets(settled=True)] == ["A", "B"]
    httpx.post(f"{url}/tickets/A/comments", json={"body": "sigue igual", "public": True})
    assert [(t.id, t.revision) for t in desk.open_tickets()] == [("A", "3"), ("B", "1")]


def test_an_edit_in_between_is_a_conflict_and_nothing_is_written(desk: HttpDesk, url: str) -> None:
    httpx.patch(f"{url}/tickets/A", json={"revision": 1, "subject": "otra cosa"}, headers={"X-Actor": "ana"})
    with pytest.raises(RevisionConflict, match="at revision 2, not 1"):
        write(desk)
    assert history(url, "A") == []


def test_another_decision_for_the_same_revision_is_a_conflict(desk: HttpDesk, url: str) -> None:
    write(desk)
    before = history(url, "A")
    with pytest.raises(RevisionConflict, match="another decision"):
        write(desk, marker={"decision": "d2"})
    assert history(url, "A") == before


def test_what_a_person_filled_in_stays(desk: HttpDesk, url: str) -> None:
    result = write(desk, "B", fields={"category": "Red", "urgency": "Alta"})
    assert (result.written, result.skipped) == (True, {"category": "Correo"})
    assert desk.get("B").fields == {"category": "Correo", "urgency": "Alta"}


def test_the_same_value_spelled_otherwise_is_neither_skipped_nor_written(desk: HttpDesk, url: str) -> None:
    assert write(desk, "B", fields={"category": "CORREO", "group": " Redes "}).skipped == {}
    assert desk.get("B").fields == {"category": "Correo", "group": " Redes "}
    assert [field for field, _ in history(url, "B")] == ["field:group", "property:tamiz", "comment"]


def whole(**changed: object) -> JSONResponse:
    return JSONResponse({"id": "A", "revision": 1, "fields": {}, **changed})


def test_a_desk_that_drops_a_field_is_found_out(answering: Answering) -> None:
    mark = {"tamiz": {**MARK, "revision": "1"}}
    desk = answering(whole(), whole(revision=2, fields={"category": "Red"}, properties=mark))
    with pytest.raises(DeskError, match="does not hold urgency as written"):
        write(desk)
    desk = answering(whole(), whole(revision=2, fields={"category": "Red", "urgency": "Alta"}))
    with pytest.raises(DeskError, match="does not hold tamiz"):
        write(desk)


def test_a_mismatch_seen_only_after_a_lost_answer_is_found_out_too(answering: Answering) -> None:
    mark = {"tamiz": {**MARK, "revision": "1"}}
    kept = whole(revision=2, fields={"category": "R"}, properties=mark, property_revisions={"tamiz": 2})
    desk = answering(whole(), Response(status_code=503), kept)
    with pytest.raises(DeskError, match="does not hold category, urgency"):
        write(desk)


def test_half_an_emoji_does_not_cost_the_ticket(answering: Answering) -> None:
    cut = rb'{"id": "A", "revision": 1, "subject": "roto \ud83d", "description": "\ud83e\udde8 entero", "fields": {"n": 1.5}}'
    desk = answering(Response(b'{"tickets": [' + cut + b'], "next": null}'))
    (ticket,) = desk.open_tickets()
    assert (ticket.subject, ticket.body, ticket.labels) == ("roto \ufffd", "\U0001f9e8 entero", {"n": "1.5"})


def test_an_answer_about_another_ticket_is_not_believed(answering: Answering) -> None:
    with pytest.raises(DeskError, match="it is of ticket A"):
        answering(whole()).get("B")


def test_one_bad_ticket_is_a_problem_and_the_rest_goes_on(answering: Answering) -> None:
    rows = [
        {"id": 7, "revision": 3, "subject": None, "fields": {"n": 5, "m": None}},
        {"revision": 1},
        "x",
        {"id": "", "revision": 1},
        {"id": "B", "revision": 1, "created": "ayer"},
        {"id": "C", "revision": 1},
    ]
    desk = answering(JSONResponse({"tickets": rows, "next": None}))
    first, last = desk.open_tickets()
    assert (first.id, first.revision, first.subject, first.labels) == ("7", "3", "", {"n": "5"})
    assert last.id == "C"
    assert [(p.row, p.field) for p in desk.problems] == [(2, "id"), (3, "ticket"), (4, "id"), (5, "created")]
    assert "at the desk" in desk.problems[0].remedy


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Response(status_code=401), "token"),
        (Response(status_code=403), "token"),
        (Response(status_code=404), "still exists"),
        (Response(status_code=500), "run again later"),
        (Response(status_code=301, headers={"Location": "/elsewhere"}), "another address"),
        (Response("<html>login</html>", media_type="text/html"), "can't be read"),
        (Response(b"\xff\xfe{"), "can't be read"),
        (JSONResponse({"subject": "no id"}), "can't be read"),
        (Response("[" * 100_000), "can't be read"),
    ],
)
def test_every_failure_says_what_to_do(answering: Answering, answer: Response, message: str) -> None:
    desk = answering(answer)
    with pytest.raises(DeskError, match=message):
        desk.get("A")
    with pytest.raises(DeskError, match=message):
        list(desk.open_tickets())


def test_a_listing_that_turns_in_a_circle_ends(answering: Answering) -> None:
    with pytest.raises(DeskError, match="does not advance"):
        list(answering(JSONResponse({"tickets": [], "next": "5"})).open_tickets())


def test_a_desk_that_is_not_there_is_said_soon_and_without_secrets() -> None:
    with HttpDesk("http://ana:secret@127.0.0.1:9/desk/", token="hidden") as desk, pytest.raises(DeskError) as caught:
        desk.get("A")
    assert "Nothing answers at http://127.0.0.1:9/desk (" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("address", ["", "desk.example.org", "ftp://x", "http://", "http://x:port"])
def test_an_address_that_is_none_is_a_setting_to_correct(address: str) -> None:
    with pytest.raises(SettingsError, match=r"https://desk\.example\.org"):
        HttpDesk(address)


def test_a_token_with_a_line_break_is_a_setting_to_correct() -> None:
    with pytest.raises(SettingsError, match="token"):
        HttpDesk("http://127.0.0.1", token="abc\n")


def test_the_token_is_sent_and_a_proxy_of_the_environment_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with serve(create_desk(tmp_path, token="s3")) as url:
        with HttpDesk(url, token="s3") as desk:
            assert list(desk.open_tickets()) == []
        with HttpDesk(url) as desk, pytest.raises(DeskError, match="401"):
            list(desk.open_tickets())


def test_a_ticket_id_is_one_piece_of_the_path(desk: HttpDesk) -> None:
    for ticket in ("A/history", "../tickets", "A?x=1", "A#b"):
        with pytest.raises(DeskError):
            desk.get(ticket)
