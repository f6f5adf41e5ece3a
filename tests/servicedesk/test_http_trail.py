"""What happened to tickets, read over real HTTP: who changed what since when, and what was written."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.errors import DeskError
from core.trail import MARKED, Change, Comment
from mocks.desk import create_desk
from mocks.serve import serve
from servicedesk.http import HttpDesk
from servicedesk.retry import Policy
from servicedesk.wire import MARKER

QUICK = Policy(timeout=2.0, deadline=5.0, attempts=3, first=0.002, longest=0.02)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    path = tmp_path / "open.jsonl"
    rows = [{"id": "A", "subject": "VPN"}, {"id": "B", "subject": "Correo"}, {"id": "C", "status": "closed"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with serve(create_desk(tmp_path / "desk", tickets=path)) as address:
        yield address


@pytest.fixture
def answering() -> Iterator[Callable[[object], HttpDesk]]:
    """A desk that answers every question with this."""
    with ExitStack() as stack:

        def answer(content: object) -> HttpDesk:
            async def say(request: Request) -> Response:
                return JSONResponse(content)

            address = stack.enter_context(serve(Starlette(routes=[Route("/{path:path}", say)])))
            return stack.enter_context(HttpDesk(address, policy=QUICK))

        yield answer


def test_whatever_changed_since_is_listed_with_its_moment_settled_or_closed_too(url: str) -> None:
    with HttpDesk(url, policy=QUICK, page_size=1) as desk:
        everything = list(desk.updated_since(None))
        assert [(state.ticket.id, state.status) for state in everything] == [("A", "open"), ("B", "open"), ("C", "closed")]
        newest = max(state.updated for state in everything if state.updated)
        desk.write("B", revision="1", fields={"category": "Red"}, comment="", marker={"decision": "d"})
        (changed,) = desk.updated_since(newest + timedelta(microseconds=1))
        assert (changed.ticket.id, changed.settled, changed.ticket.revision) == ("B", True, "2")
        assert changed.updated is not None
        assert changed.updated > newest
        assert list(desk.updated_since(datetime.now(UTC) + timedelta(days=1))) == []


def test_the_trail_says_who_did_what_and_our_write_is_told_by_name_and_marker(url: str) -> None:
    with HttpDesk(url, policy=QUICK) as desk:
        desk.write("A", revision="1", fields={"category": "Red"}, comment="Propuesta", marker={"decision": "d"})
        httpx.patch(
            f"{url}/tickets/A",
            json={"revision": 2, "status": "closed", "fields": {"category": "Datos"}, "comment": "listo", "public": True},
            headers={"X-Actor": "ana"},
        )
        trail = desk.history("A")
        told = [(c.revision, c.actor, c.field, c.old, c.new) for c in trail if c.field != MARKED and c.field != "comment"]
        assert told == [
            ("1", "seed", "created", "", "open"),
            ("2", "tamiz", "category", "", "Red"),
            ("3", "ana", "status", "open", "closed"),
            ("3", "ana", "category", "Red", "Datos"),
        ]
        assert {c.revision for c in trail if c.field == MARKED == f"property:{MARKER}"} == {"2"}
        assert all(isinstance(c, Change) and c.at.tzinfo for c in trail)
        assert [(c.author, c.body, c.public) for c in desk.comments("A")] == [
            ("tamiz", "Propuesta", False),
            ("ana", "listo", True),
        ]
        with pytest.raises(DeskError, match="404"):
            desk.history("none")


def test_moments_without_a_zone_are_utc_and_nothing_given_is_nothing(answering: Callable[[object], HttpDesk]) -> None:
    change = {"revision": 2, "at": "2026-03-01T08:30:00", "actor": None, "field": "field:category", "old": None, "new": "Red"}
    moment = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
    assert answering({"history": [change]}).history("A") == [Change("2", moment, "", "category", "", "Red")]
    comment = {"at": "2026-03-01T09:30:00+01:00", "author": 7, "body": None}
    assert answering({"comments": [comment]}).comments("A") == [Comment(moment, "7", "")]
    listed = {"tickets": [{"id": "A", "revision": 1, "updated": ""}, {"id": "", "revision": 1}], "next": None}
    desk = answering(listed)
    assert [(state.ticket.id, state.updated) for state in desk.updated_since(moment)] == [("A", None)]
    assert [problem.row for problem in desk.problems] == [2]


@pytest.mark.parametrize("content", [[], {"history": [{"revision": 1}]}, {"comments": [{"body": "x"}]}, "x"])
def test_an_answer_that_is_no_trail_is_a_clear_error(answering: Callable[[object], HttpDesk], content: object) -> None:
    desk = answering(content)
    with pytest.raises(DeskError, match="can't be read"):
        desk.history("A")
    with pytest.raises(DeskError, match="can't be read"):
        desk.comments("A")
