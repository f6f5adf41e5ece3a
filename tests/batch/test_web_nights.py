"""The page of the nights over real HTTP: what it shows, whose word it takes, and what the next night makes of it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from batch.assemble import House, open_house
from batch.reviewing import ReviewDesk
from batch.settings import load_settings
from batch.signin import Door
from batch.web import create_app
from knowledge.archive import Archive, Entry, reversed_entry
from mocks.serve import serve
from review.accounts import FILE, Accounts, Role, User

AT = datetime(2026, 11, 22, 3, 15, tzinfo=UTC)


@pytest.fixture
def house(home: Path) -> Iterator[House]:
    with open_house(load_settings(None)) as opened:
        yield opened


@pytest.fixture
def entries(house: House) -> tuple[Entry, Entry]:
    """A proposal on an exemplar whose text is hostile, and a copy that a night took out."""
    one, other = house.knowledge.exemplars()[:2]
    label = next(name for name in house.taxonomy.labels("urgency") if name != one.labels["urgency"])
    better = replace(one, id="relabelled", labels={**one.labels, "urgency": label})
    hostile = replace(one, subject="<script>alert(1)</script>")
    proposal = Entry(
        "relabelled", "contradiction", old=hostile, new=better, values={"changes": f"urgency: {label}"}, proposed=True
    )
    merge = Entry("merged", "copy", old=other, values={"into": one.id})
    Archive(house.home).file([proposal, merge], "20261122T031500Z", AT)
    return proposal, merge


@contextmanager
def pages(house: House, role: Role) -> Iterator[httpx.Client]:
    """A client of the pages for somebody with that role."""
    door = Door(Accounts(house.home / FILE), User("ana", role))
    with (
        serve(create_app(ReviewDesk(house, "ana"), "en", door)) as url,
        httpx.Client(base_url=url, trust_env=False, follow_redirects=True) as client,
    ):
        yield client


def token(text: str) -> dict[str, str]:
    found = re.search(r'name="token" value="([^"]+)"', text)
    assert found
    return {"token": found[1]}


def test_each_entry_takes_a_word_and_the_next_night_hears_it(house: House, entries: tuple[Entry, Entry]) -> None:
    proposal, merge = entries
    archive = Archive(house.home)
    with pages(house, "reviewer") as client:
        page = client.get("/nights").text
        assert "1 wait for your word" in page
        assert proposal.values["changes"] in page
        assert "<script>alert" not in page
        said = client.post(f"/nights/{proposal.id}/approved", data=token(page)).text
        assert f"{proposal.id}: approved" in said
        assert "Nothing waits for a word" in said
        assert f"{merge.id}: reverted" in client.post(f"/nights/{merge.id}/reverted", data=token(page)).text
        assert "Apply again" in client.get("/nights").text
        assert "Aplicar de nuevo" in client.get("/nights?lang=es").text
    known = archive.read()
    assert {i: (said.word, said.who) for i, said in known.words.items()} == {
        proposal.id: ("approved", "ana"),
        merge.id: ("reverted", "ana"),
    }
    assert known.owed({one.id for one in house.knowledge.exemplars()} - {merge.exemplar.id}) == [proposal, reversed_entry(merge)]


def test_who_may_only_look_and_what_is_not_there(house: House, entries: tuple[Entry, Entry]) -> None:
    proposal, _ = entries
    with pages(house, "viewer") as client:
        page = client.get("/nights").text
        assert "<button" not in page
        assert client.post(f"/nights/{proposal.id}/approved", data={"token": "x"}).status_code == 403
    with pages(house, "reviewer") as client:
        sent = token(client.get("/nights").text)
        assert client.post(f"/nights/{proposal.id}/approved", data={"token": "x"}).status_code == 403
        assert client.post("/nights/zzz/approved", data=sent).status_code == 404
        assert client.post(f"/nights/{proposal.id}/burnt", data=sent).status_code == 404
    assert Archive(house.home).read().words == {}


def test_a_home_without_a_night(house: House) -> None:
    with pages(house, "reviewer") as client:
        assert "Nothing waits for a word" in client.get("/nights").text
