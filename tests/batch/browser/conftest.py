"""A real Chromium over the pages. Where there is none, or no playwright, these tests are skipped."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from batch.assemble import House, open_house
from batch.reviewing import ReviewDesk
from batch.settings import load_settings
from batch.signin import Door
from batch.web import create_app
from mocks.serve import serve
from review.accounts import Accounts, User
from tests.batch.commands_examples import OPEN, rows_of, running_desk, tamiz, write_rows

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP = {"width": 1180, "height": 820}
PHONE = {"width": 390, "height": 844}
COLOURS = 128
"""Of a picture for the documents: enough for text, and a third of the bytes."""
OpenPage = Callable[..., "Page"]
Picture = Callable[["Page", str], None]


@pytest.fixture(scope="session")
def chrome() -> "Iterator[Browser]":
    """The browser, started once."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        own = Path(started.chromium.executable_path)
        found = next((path for name in NAMES if (path := shutil.which(name))), str(own) if own.exists() else "")
        if not found:
            pytest.skip(f"there is no Chromium here: none of {', '.join(NAMES)} is on the PATH")
        browser = started.chromium.launch(executable_path=found, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def open_page(chrome: "Browser") -> Iterator[OpenPage]:
    """Opens an address in a fresh browser; whatever its console complains of, or a dialog, fails the test."""
    complaints: list[str] = []
    with ExitStack() as stack:

        def opened(url: str, **context: Any) -> "Page":  # noqa: ANN401 - what playwright takes
            page = stack.enter_context(chrome.new_context(**{"viewport": DESKTOP, **context})).new_page()
            page.set_default_timeout(20_000)
            page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("dialog", lambda dialog: complaints.append(dialog.message))
            page.goto(url)
            return page

        yield opened
    assert complaints == []


@pytest.fixture(scope="module")
def decided(prepared_copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A home in which a run was done on 30 tickets of a desk that goes on."""
    folder = tmp_path_factory.mktemp("desk")
    tickets = write_rows(folder / "open.jsonl", rows_of(OPEN)[:30])
    with running_desk(folder / "state", tickets) as desk, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAMIZ_DESK__URL", desk.url)
        patch.setenv("LC_ALL", "en_GB.UTF-8")
        result = tamiz("run", "--json")
        assert result.code == 0, result.err
        with open_house(load_settings(None)) as house:
            yield house


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    """Nobody has one yet."""
    return Accounts(tmp_path / "accounts.sqlite")


@pytest.fixture
def site(decided: House, accounts: Accounts) -> Iterator[str]:
    """The pages, on this machine."""
    with serve(create_app(ReviewDesk(decided, "ana"), "en", Door(accounts, User("ana", "reviewer")))) as url:
        yield url


@pytest.fixture
def picture() -> Picture:
    """Takes a picture for the documents, where the environment says into which folder: SCREENSHOTS=docs/images."""
    folder = os.environ.get("SCREENSHOTS", "")

    def taken(page: "Page", name: str) -> None:
        if folder:
            from PIL import Image

            path = Path(__file__).resolve().parents[3] / folder / f"{name}.png"
            page.screenshot(path=path, animations="disabled")
            with Image.open(path) as image:
                image.convert("RGB").quantize(COLOURS).save(path, optimize=True)

    return taken
