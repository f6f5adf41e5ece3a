"""The review pages over real HTTP: what they show, what a form does, and who may not use them."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from batch.assemble import open_house
from batch.reviewing import ReviewDesk
from batch.settings import load_settings
from batch.signin import Door
from batch.web import create_app
from mocks.serve import serve
from review.accounts import FILE, Accounts, User
from tests.batch.commands_examples import Desk, decisions, example_taxonomy, tamiz


@pytest.fixture
def browser(home: Path, desk: Desk) -> Iterator[httpx.Client]:
    """A client of the pages over a home in which a run was done."""
    result = tamiz("run", "--json")
    assert result.code == 0, result.err
    with (
        open_house(load_settings(None)) as house,
        serve(create_app(ReviewDesk(house, "ana"), "en", Door(Accounts(home / FILE), User("ana", "reviewer")))) as url,
        httpx.Client(base_url=url, trust_env=False, follow_redirects=True) as client,
    ):
        yield client


def first(browser: httpx.Client) -> str:
    found = re.search(r'href="/tickets/([^?"]+)\?', browser.get("/").text)
    assert found
    return found[1]


def form(browser: httpx.Client, ticket: str) -> dict[str, str]:
    """What the page would send: its token and the selected labels."""
    page = browser.get(f"/tickets/{ticket}").text
    selects = re.findall(r'<select id="f-\d+" name="(field\.[^"]+)">(.*?)</select>', page, re.DOTALL)
    chosen = {name: m[1] for name, options in selects if (m := re.search(r"<option selected>([^<]*)", options))}
    token = re.search(r'name="token" value="([^"]+)"', page)
    assert token
    return {"token": token[1], **chosen}


def test_a_page_shows_what_speaks_for_and_against(home: Path, browser: httpx.Client) -> None:
    ticket = first(browser)
    record = next(d for d in decisions(home) if d.ticket_id == ticket)
    page = browser.get(f"/tickets/{ticket}")
    assert page.status_code == 200
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    for field, fused in record.fusion.items():
        assert f'name="field.{field}"' in page.text
        assert f"<option selected>{fused.label}</option>" in page.text
    assert page.text.count('type="radio" name="exemplar"') >= 1
    assert "Would have passed with" in page.text
    assert "Habría pasado con" in browser.get(f"/tickets/{ticket}?lang=es").text


def test_a_correction_leads_to_the_next_ticket_and_is_at_the_desk(home: Path, browser: httpx.Client, desk: Desk) -> None:
    ticket = first(browser)
    sent = form(browser, ticket)
    urgency = next(label for label in example_taxonomy().labels("urgency") if label != sent["field.urgency"])
    answer = browser.post(
        f"/tickets/{ticket}/correct", data={**sent, "field.urgency": urgency, "reason": "urgency", "words": "toda la sede"}
    )
    assert answer.status_code == 200
    assert f"{ticket} corrected, written to the desk" in answer.text
    assert f"/tickets/{ticket}/" not in answer.text
    assert desk.tickets()[ticket]["fields"]["urgency"] == urgency
    assert "that is not its urgency; toda la sede" in desk.comments(ticket)[-1]["body"]
    again = browser.get(f"/tickets/{ticket}").text
    assert "ana: corrected" in again
    undone = browser.post(f"/tickets/{ticket}/undo", data=form(browser, ticket))
    assert "taken back" in undone.text
    assert "urgency" not in desk.tickets()[ticket]["fields"]


def test_approve_reject_and_skip(home: Path, browser: httpx.Client) -> None:
    for action, said in (("approve", "approved"), ("reject", "rejected"), ("skip", "put off")):
        ticket = first(browser)
        answer = browser.post(f"/tickets/{ticket}/{action}", data=form(browser, ticket))
        assert f"{ticket} {said}" in answer.text


def test_what_the_taxonomy_does_not_allow_is_said_on_the_page(browser: httpx.Client) -> None:
    ticket = first(browser)
    sent = {**form(browser, ticket), "field.category": "Red", "field.subcategory": "Cuota llena"}
    answer = browser.post(f"/tickets/{ticket}/correct", data=sent)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert "the taxonomy allows only" in answer.text
    assert ticket == first(browser)


def test_nobody_else_can_send_a_form_or_borrow_the_address(browser: httpx.Client) -> None:
    ticket = first(browser)
    sent = form(browser, ticket)
    for wrong in ({}, {**sent, "token": "x"}, {**sent, "words": "x" * 70_000}):
        assert browser.post(f"/tickets/{ticket}/approve", data=wrong).status_code == 403
    assert browser.get("/", headers={"Host": "tickets.example"}).status_code == 403
    assert browser.get("/tickets/none").status_code == 404
    assert ticket == first(browser)


def test_a_tickets_text_is_only_text(home: Path, desk: Desk, browser: httpx.Client) -> None:
    ticket = first(browser)
    desk.edit(ticket, subject="<script>alert(1)</script>", description='"><img src=x onerror=alert(1)> la vpn no va')
    assert tamiz("run", "--json").code == 0
    page = browser.get(f"/tickets/{ticket}").text
    assert "<script>alert" not in page
    assert "<img" not in page
