"""The report of a night and the page of the nights in a real browser; a word given there is heard by the next night."""

import json
from pathlib import Path

import pytest

from batch.assemble import open_house
from batch.reviewing import ReviewDesk
from batch.settings import load_settings
from batch.signin import Door
from batch.web import create_app
from knowledge.archive import Archive
from mocks.serve import serve
from review.accounts import Accounts, User
from tests.batch.browser.conftest import PHONE, OpenPage, Picture
from tests.batch.browser.looks import FAINT, UNNAMED, WIDER, follow
from tests.batch.commands_examples import OPEN, RESOLVED, rows_of, tamiz, write_rows
from tests.batch.night_examples import closed_again


@pytest.mark.slow
def test_a_night_is_read_and_answered_in_the_browser(
    home: Path, tmp_path: Path, accounts: Accounts, open_page: OpenPage, picture: Picture
) -> None:
    assert tamiz("ingest", write_rows(tmp_path / "more.jsonl", closed_again(rows_of(RESOLVED), "urgency"))).code == 0
    assert tamiz("run", write_rows(tmp_path / "open.jsonl", rows_of(OPEN)[:60]), "--json").code == 0
    result = tamiz("maintain", "--json")
    assert result.code == 0, result.err
    night = json.loads(result.out)
    entry = next(one for one in night["proposed"] if one["reason"] == "contradiction")

    page = open_page(Path(night["paths"]["report"]).as_uri())
    picture(page, "night-report")
    assert entry["id"] in page.locator("main").inner_text()
    assert page.evaluate(UNNAMED) == []
    assert page.evaluate(FAINT) == []
    page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    assert page.evaluate(WIDER) <= 0

    with (
        open_house(load_settings(None)) as house,
        serve(create_app(ReviewDesk(house, "ana"), "en", Door(accounts, User("ana", "reviewer")))) as url,
    ):
        page = open_page(url)
        follow(page, page.get_by_role("link", name="Nights"))
        picture(page, "nights-page")
        assert page.evaluate(UNNAMED) == []
        assert page.evaluate(FAINT) == []
        row = page.locator("tr", has_text=entry["id"])
        follow(page, row.get_by_role("button", name="Approve"))
        assert f"{entry['id']}: approved" in page.locator("[role=status]").inner_text()
        page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
        assert page.evaluate(WIDER) <= 0
    assert Archive(home).read().words[entry["id"]].who == "ana"
    again = tamiz("maintain", "--phase", "decisions", "--phase", "apply", "--json")
    assert again.code == 0, again.err
    assert [one["id"] for one in json.loads(again.out)["applied"]] == [entry["id"]]
