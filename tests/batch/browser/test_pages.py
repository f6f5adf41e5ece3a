"""The review pages in a real browser: by keyboard alone, on a phone, in both languages, and whatever a ticket holds."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from batch.assemble import House
from batch.reviewing import ReviewDesk
from batch.signin import Door
from batch.web import create_app
from mocks.oidc import OidcProvider, create_oidc
from mocks.serve import serve
from observability.journal import Journal
from observability.records import DecisionRecord, HumanVerdict
from review.accounts import Accounts
from review.oidc import Provider
from tests.batch.browser.conftest import PHONE, OpenPage, Picture
from tests.batch.browser.looks import FAINT, UNNAMED, WIDER, follow
from tests.batch.commands_examples import decisions, tamiz

if TYPE_CHECKING:
    from playwright.sync_api import Page

GOOD = "cuatro palabras sin orden"


def verdicts(home: Path) -> list[HumanVerdict]:
    with Journal(home / "journal.sqlite") as journal:
        return [r for r in journal.records(kind="human_verdict") if isinstance(r, HumanVerdict)]


def ticket_of(page: "Page") -> str:
    found = re.search(r"/tickets/([^?]+)", page.url)
    assert found
    return found[1]


def test_the_report_of_a_run(decided: House, site: str, open_page: OpenPage, picture: Picture) -> None:
    assert tamiz("report", "last").code == 0
    page = open_page(next((decided.home / "runs").glob("*/report.html")).as_uri())
    picture(page, "run-report")
    assert page.evaluate(UNNAMED) == []
    page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    assert page.evaluate(WIDER) <= 0


def test_by_keyboard_alone(decided: House, site: str, open_page: OpenPage) -> None:
    page = open_page(site)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url("**/tickets/**")
    corrected = ticket_of(page)
    proposed = next(d for d in decisions(decided.home) if d.ticket_id == corrected).fusion
    page.keyboard.press("e")
    field = page.evaluate("document.activeElement.name").removeprefix("field.")
    page.keyboard.press("a")  # typing in a field stays typing
    assert ticket_of(page) == corrected
    page.locator("select[name='field.urgency']").focus()
    label = "Baja" if proposed["urgency"].label != "Baja" else "Alta"
    page.keyboard.type(label)
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    assert page.evaluate("document.querySelector('input[name=exemplar]').checked")
    page.locator(f"select[name='field.{field}']").select_option(proposed[field].label)
    with page.expect_navigation():
        page.keyboard.press("c")
    assert f"{corrected} corrected, written to the desk" in page.locator("[role=status]").inner_text()
    given = verdicts(decided.home)[-1]
    assert (given.ticket_id, given.who, given.labels["urgency"]) == (corrected, "ana", label)
    assert given.resolution is not None
    approved = ticket_of(page)
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.key") == "a":
            break
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert (verdicts(decided.home)[-1].ticket_id, verdicts(decided.home)[-1].action) == (approved, "approved")
    page.goto(f"{site}/tickets/{corrected}")
    assert "ana: corrected" in page.locator(".history").inner_text()
    with page.expect_navigation():
        page.keyboard.press("u")
    page.keyboard.press("q")
    page.wait_for_url(f"{site}/?**")
    page.keyboard.press("/")
    page.keyboard.type(corrected.lower())
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/tickets/{corrected}?**")
    assert "ana: taken back" in page.locator(".history").inner_text()


def test_everything_that_speaks_for_and_against_is_on_one_screen(
    decided: House, site: str, open_page: OpenPage, picture: Picture
) -> None:
    page = open_page(site)
    picture(page, "review-queue")
    held = next(d for d in decisions(decided.home) if d.outcome == "suggested" and len(d.neighbours) > 3 and d.resolution)
    page.goto(f"{site}/tickets/{held.ticket_id}")
    picture(page, "review-ticket")
    text = page.locator("main").inner_text()
    fused, threshold = held.fusion["category"], held.thresholds["category"]
    assert f"{fused.confidence:.2f} of {threshold.value:.2f} needed" in text
    for expert in held.opinions:
        assert f"{expert}:" in page.locator(".field .said").first.inner_text()
    assert page.locator("article").count() == min(6, len(held.neighbours))
    assert f"similarity {held.neighbours[0].similarity:.2f}" in text
    assert page.locator("article mark").count() > 0
    page.evaluate("document.querySelector('#h-past').scrollIntoView({behavior: 'instant'})")
    picture(page, "review-exemplars")
    assert held.verdict is not None
    assert f"{int(held.verdict.score or 0)}/100" in text.replace("\n", "")
    assert "Would have passed with" in text
    assert "written to the desk" in page.locator(".history").inner_text()
    page.get_by_text("The proposal as JSON").click()
    assert f'"label": "{fused.label}"' in page.locator("pre").inner_text()


def test_an_accepted_ticket_is_found_and_corrected(decided: House, site: str, open_page: OpenPage) -> None:
    accepted = next(d for d in decisions(decided.home) if d.outcome == "accepted")
    page = open_page(f"{site}/?show=accepted")
    shown = page.locator("a.row").all_inner_texts()
    assert set(shown) == {d.ticket_id for d in decisions(decided.home) if d.outcome == "accepted"}
    page.get_by_label("Find by id").fill(accepted.ticket_id[:4].lower())
    follow(page, page.get_by_role("button", name="Find"))
    assert page.locator("a.row").count() > len(shown)
    follow(page, page.get_by_role("link", name=accepted.ticket_id, exact=True))
    page.get_by_label("impact").select_option("Bajo" if accepted.fusion["impact"].label != "Bajo" else "Alto")
    follow(page, page.get_by_role("button", name="Correct"))
    assert f"{accepted.ticket_id} corrected, written to the desk" in page.locator("[role=status]").inner_text()
    page.goto(f"{site}/?show=judged&lang=es")
    assert accepted.ticket_id in page.locator("a.row").all_inner_texts()


def test_a_phone_shows_every_page_without_scrolling_sideways(
    decided: House, accounts: Accounts, site: str, open_page: OpenPage, picture: Picture
) -> None:
    page = open_page(f"{site}/?lang=es", viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=1)
    assert page.evaluate(WIDER) <= 0
    page.locator("a.row").nth(1).tap()
    page.wait_for_url("**/tickets/**")
    assert page.evaluate(WIDER) <= 0
    assert min(box["height"] for one in page.locator(".bar button").all() if (box := one.bounding_box())) >= 40
    picture(page, "review-phone")
    judged = ticket_of(page)
    page.get_by_role("button", name="Aprobar").tap()
    page.wait_for_url("**done=**")
    assert verdicts(decided.home)[-1].ticket_id == judged
    accounts.add("a.very.long.name.of.somebody@a.department.of.the.company.example", "admin", GOOD, "test")
    page.goto(f"{site}/?lang=es")
    assert page.evaluate(WIDER) <= 0
    page.get_by_label("Nombre").fill(accounts.users()[0].name)
    page.get_by_label("Contraseña").fill(GOOD)
    page.get_by_role("button", name="Entrar").tap()
    page.get_by_role("button", name="Salir").wait_for()
    for path in ("/", "/users", "/audit"):
        page.goto(f"{site}{path}?lang=es")
        assert page.evaluate(WIDER) <= 0, path


def test_both_languages(site: str, open_page: OpenPage) -> None:
    page = open_page(f"{site}/?order=oldest")
    assert page.locator("html").get_attribute("lang") == "en"
    follow(page, page.get_by_role("link", name="Español"))
    assert page.locator("html").get_attribute("lang") == "es"
    assert "order=oldest" in page.url
    assert "esperan a una persona" in page.locator("h1").inner_text()
    follow(page, page.locator("a.row").first)
    for word in ("Por qué llegó aquí", "Casos parecidos", "El crítico", "Propuesta", "Historia"):
        assert page.get_by_role("heading", name=word).count() == 1, word
    follow(page, page.get_by_role("button", name="Saltar"))
    assert "aplazado" in page.locator("[role=status]").inner_text()
    follow(page, page.get_by_role("link", name="English"))
    assert page.get_by_role("button", name="Approve").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_control_has_a_name_and_every_word_can_be_read(
    decided: House, accounts: Accounts, site: str, open_page: OpenPage, picture: Picture, scheme: str
) -> None:
    page = open_page(site, color_scheme=scheme)
    held = next(d for d in decisions(decided.home) if d.outcome == "suggested" and d.resolution).ticket_id
    accounts.add("root", "admin", GOOD, "test")

    def looked_at() -> None:
        assert page.evaluate(UNNAMED) == []
        assert page.evaluate(FAINT) == []
        assert page.locator("h1").count() == 1
        assert page.locator("main").count() == 1

    looked_at()
    page.goto(f"{site}/tickets/{held}")
    looked_at()
    page.get_by_label("Name").fill("root")
    page.get_by_label("Password").fill(GOOD)
    follow(page, page.get_by_role("button", name="Sign in"))
    page.wait_for_url(f"**/tickets/{held}**")
    looked_at()
    if scheme == "dark":
        picture(page, "review-dark")
    for path in ("/", "/?show=all", "/users", "/audit"):
        page.goto(f"{site}{path}")
        looked_at()


def test_a_hostile_ticket_is_only_text(decided: House, site: str, open_page: OpenPage) -> None:
    """As if intake had let everything through: the page trusts no text, and no id."""
    markup = '"></textarea></script><script>window.hacked=1</script><img src=x onerror="window.hacked=1"> \u202emoc.live'
    ticket = '<b>9</b>/a?b#c&d="e"'
    with Journal(decided.home / "journal.sqlite") as journal:
        real = next(d for d in decisions(decided.home) if d.outcome == "suggested")
        neighbours = [{**one.model_dump(), "labels": {markup: markup}} for one in real.neighbours]
        texts = {"subject": markup, "body": markup, "summary": markup, "neighbours": neighbours}
        journal.append([DecisionRecord.model_validate({**real.model_dump(), "ticket_id": ticket, **texts})])
    page = open_page(f"{site}/?show=all")
    follow(page, page.get_by_role("link", name=ticket, exact=True))
    assert page.title().startswith(ticket)
    assert page.locator("main").inner_text().count("onerror=") > 3
    follow(page, page.get_by_role("button", name="Reject"))
    assert f"{ticket} rejected" in page.locator("[role=status]").inner_text()
    assert page.evaluate("window.hacked") is None


def test_signing_in_at_a_provider_of_another_site(decided: House, accounts: Accounts, open_page: OpenPage) -> None:
    """The provider is `localhost`, the pages are `127.0.0.1`: two sites to a browser, so strict cookies stay behind."""
    people = OidcProvider("tamiz", "secret", {"eva": ["desk"]})
    with serve(create_oidc(people)) as at:
        provider = Provider(at.replace("127.0.0.1", "localhost"), "tamiz", "secret", "groups", {"reviewer": "desk"})
        with serve(create_app(ReviewDesk(decided, "local"), "en", Door(accounts, None, provider))) as url:
            page = open_page(url)
            follow(page, page.get_by_role("link", name="company's account"))
            assert "localhost" in page.url
            follow(page, page.get_by_role("link", name="eva"))
            page.wait_for_url(f"{url}/**")
            page.get_by_text("eva (judges)").wait_for()
            page.goto(f"{provider.issuer}/authorize?client_id=tamiz&code_challenge_method=S256")
            page.set_content(f'<a href="{url}/?order=oldest">a link of another site</a>')
            follow(page, page.get_by_role("link"))
            page.get_by_text("eva (judges)").wait_for()
            follow(page, page.get_by_role("button", name="Sign out"))
            page.get_by_role("heading", name="Sign in").wait_for()
    assert [line.what for line in reversed(accounts.audit(9))] == ["added", "signed_in", "signed_out"]
