"""Signing in to the review pages over real HTTP, with passwords and at an OpenID provider; what each role may do."""

import io
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from batch.assemble import open_house
from batch.reviewing import ReviewDesk
from batch.settings import WebSettings, load_settings
from batch.signin import Door, inside
from batch.web import create_app, make_door
from core.errors import InputError, SettingsError
from mocks.oidc import OidcProvider, create_oidc
from mocks.serve import serve
from observability.journal import Journal
from observability.records import HumanVerdict
from review.accounts import Accounts, Role, User
from review.oidc import Provider
from tests.batch.commands_examples import Result, some_open, tamiz

GOOD = "cuatro palabras sin orden"
SECRET = "the client's own secret"
GROUPS: dict[Role, str] = {"viewer": "", "reviewer": "desk", "admin": "leads"}
Serving = Callable[[Door], AbstractContextManager[httpx.Client]]


@pytest.fixture(scope="module")
def pages(prepared_copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Serves the pages of a home with a few decided tickets, as a door says, to a client that follows redirects."""
    result = tamiz("run", some_open(tmp_path_factory.mktemp("open") / "open.jsonl", 8), "--json")
    assert result.code == 0, result.err
    with open_house(load_settings(None)) as house:

        @contextmanager
        def serving(door: Door) -> Iterator[httpx.Client]:
            app = create_app(ReviewDesk(house, "local"), "en", door)
            with serve(app) as url, httpx.Client(base_url=url, trust_env=False, follow_redirects=True) as client:
                yield client

        yield serving


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    made = Accounts(tmp_path / "accounts.sqlite")
    people: tuple[tuple[str, Role], ...] = (("vera", "viewer"), ("ana", "reviewer"), ("root", "admin"))
    for name, role in people:
        made.add(name, role, GOOD, "test")
    return made


@pytest.fixture
def site(pages: Serving, accounts: Accounts) -> Iterator[httpx.Client]:
    with pages(Door(accounts, User("local", "reviewer"))) as client:
        yield client


def token_in(page: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', page)
    assert found
    return found[1]


def sign_in(site: httpx.Client, name: str, password: str = GOOD, to: str = "/") -> httpx.Response:
    token = token_in(site.get("/login").text)
    return site.post("/login", params={"next": to}, data={"token": token, "name": name, "password": password})


def first(site: httpx.Client) -> str:
    found = re.search(r'href="/tickets/([^?"]+)\?', site.get("/").text)
    assert found
    return found[1]


def test_everybody_signs_in_from_the_first_account_on(pages: Serving, tmp_path: Path) -> None:
    none = Accounts(tmp_path / "none.sqlite")
    with pages(Door(none, User("local", "reviewer"))) as site:
        assert "wait for a person" in site.get("/").text
        assert site.get("/login").url.path == "/"
        assert not none.path.exists()
        none.add("ana", "reviewer", GOOD, "test")
        assert site.get("/").url.path == "/login"
        for path in ("/users", "/audit", "/tickets/T-2001"):
            assert site.get(path).url.path == "/login"
        assert site.post("/tickets/T-2001/approve", data={"token": "x"}).status_code == 403
        assert site.get("/healthz").json() == {"status": "ok"}
        assert sign_in(site, "ana", to="/tickets/T-2001?lang=es").url.path == "/tickets/T-2001"


def test_the_cookie_is_out_of_reach_and_signing_out_ends_the_session(site: httpx.Client, accounts: Accounts) -> None:
    answer = sign_in(site, "ana")
    cookie = answer.history[0].headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    held = dict(site.cookies)
    page = site.get("/")
    assert page.headers["cache-control"] == "no-store"
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=", page.text)
    assert site.post("/logout", data={"token": "wrong"}).status_code == 403
    assert site.post("/logout", data={"token": token_in(page.text)}).url.path == "/login"
    site.cookies.update(held)
    assert site.get("/").url.path == "/login"
    assert [line.what for line in accounts.audit(2)] == ["signed_out", "signed_in"]


def test_over_https_the_cookie_is_bound_to_the_host(pages: Serving, accounts: Accounts) -> None:
    with pages(Door(accounts, None, None, "https://tamiz.example")) as site:
        answer = site.get("/login")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-tamiz-visit=")
        assert {"Secure", "HttpOnly", "Path=/"} <= set(cookie.split("; "))


def test_a_wrong_password_says_nothing_of_the_name(site: httpx.Client) -> None:
    known, unknown = sign_in(site, "ana", "wrong wrong wrong"), sign_in(site, "nobody", "wrong wrong wrong")
    assert known.status_code == unknown.status_code == 403
    said = "That name and that password do not go together."
    assert said in known.text
    assert said in unknown.text
    for _ in range(5):
        sign_in(site, "ana", "wrong wrong wrong")
    assert sign_in(site, "ana").status_code == 429
    assert site.post("/login", data={"name": "root", "password": GOOD}).status_code == 403


def test_a_viewer_looks_and_changes_nothing(site: httpx.Client) -> None:
    sign_in(site, "vera")
    ticket = first(site)
    page = site.get(f"/tickets/{ticket}")
    assert page.status_code == 200
    assert "<select" not in page.text
    assert "Your role may only look." in page.text
    assert site.post(f"/tickets/{ticket}/approve", data={"token": token_in(page.text)}).status_code == 403
    for path in ("/users", "/audit"):
        assert site.get(path).status_code == 403
    assert ticket == first(site)


def test_a_verdict_bears_the_name_of_who_is_signed_in(site: httpx.Client, accounts: Accounts, prepared_copy: Path) -> None:
    sign_in(site, "ana")
    ticket = first(site)
    other = token_in(site.get(f"/tickets/{ticket}").text)
    site.cookies.clear()
    sign_in(site, "ana")
    token = token_in(site.get(f"/tickets/{ticket}").text)
    assert site.post(f"/tickets/{ticket}/reject", data={"token": other}).status_code == 403  # another session's form
    assert site.post(f"/tickets/{ticket}/reject", data={"token": token}).status_code == 200
    with Journal(prepared_copy / "journal.sqlite") as journal:
        verdicts = [r for r in journal.records(kind="human_verdict") if isinstance(r, HumanVerdict)]
    assert (verdicts[-1].who, verdicts[-1].ticket_id) == ("ana", ticket)
    line = accounts.audit(1)[0]
    assert (line.who, line.what, line.about, line.detail) == ("ana", "verdict", ticket, "rejected")
    assert site.post("/users", data={"token": token, "what": "role", "name": "ana", "role": "admin"}).status_code == 403


def test_an_admin_changes_users_and_reads_the_log(site: httpx.Client, accounts: Accounts) -> None:
    sign_in(site, "root")
    token = token_in(site.get("/users").text)
    for change in (
        {"what": "add", "name": "eva", "role": "viewer", "password": GOOD},
        {"what": "role", "name": "vera", "role": "reviewer"},
        {"what": "disable", "name": "ana"},
    ):
        assert site.post("/users", data={"token": token, **change}).status_code == 200
    assert {u.name: (u.role, u.disabled) for u in accounts.users()} == {
        "ana": ("reviewer", True),
        "eva": ("viewer", False),
        "root": ("admin", False),
        "vera": ("reviewer", False),
    }
    assert site.post("/users", data={"what": "disable", "name": "eva"}).status_code == 403
    own = site.post("/users", data={"token": token, "what": "disable", "name": "root"})
    assert own.status_code == 422
    assert "your own account" in own.text
    assert "changed the role" in site.get("/audit").text
    assert "cambió el papel" in site.get("/audit?lang=es").text


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "https://evil.example", "", "/a\nb"])
def test_nothing_leads_elsewhere(path: str) -> None:
    assert inside(path) == "/"


def test_a_link_from_elsewhere_is_asked_again_from_here(site: httpx.Client) -> None:
    answer = site.get("/tickets/T-1%22%3E?lang=es", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert 'content="0;url=/tickets/T-1%22%3E?lang=es"' in answer.text


def test_nothing_is_open_to_the_network_without_accounts(tmp_path: Path, accounts: Accounts) -> None:
    none = Accounts(tmp_path / "none.sqlite")
    for host, web in (("0.0.0.0", WebSettings()), ("127.0.0.1", WebSettings(url="https://tamiz.example"))):  # noqa: S104
        with pytest.raises(InputError, match="users add"):
            make_door(none, web, "ana", host)
        assert make_door(accounts, web, "ana", host).local is None
    assert make_door(none, WebSettings(), "ana", "::1").local == User("ana", "reviewer")


def test_the_commands_take_the_password_from_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blank: Path) -> None:
    def typed(line: str, *arguments: str) -> Result:
        monkeypatch.setattr(sys, "stdin", io.StringIO(line))
        return tamiz("users", *arguments)

    said = typed(f"{GOOD}\n", "add", "ana", "--role", "admin").err
    assert "From now on people sign in" in said
    assert typed("short\n", "add", "eva").code == 1
    assert typed("", "role", "ana", "viewer").code == 0
    assert typed(f"{GOOD}!\n", "password", "ana").code == 0
    assert typed("", "disable", "ana").code == 0
    assert typed("", "list", "--json").json == {"users": [{"name": "ana", "role": "viewer", "disabled": True, "provided": False}]}
    assert typed("", "enable", "ana").code == 0
    done = [line["what"] for line in typed("", "audit", "--json").json["audit"]]
    assert done == ["enabled", "disabled", "password", "role", "added"]
    assert typed("", "disable", "nobody").code == 1
    assert (blank / "accounts.sqlite").exists()
    assert "ana" in typed("", "list").out
    assert "command line" in typed("", "audit").out


@pytest.fixture
def people() -> OidcProvider:
    return OidcProvider("tamiz", SECRET, {"eva": ["desk"], "luis": ["leads", "desk"], "otto": ["kitchen"]})


@pytest.fixture
def provider(people: OidcProvider) -> Iterator[Provider]:
    with serve(create_oidc(people)) as url:
        yield Provider(url, "tamiz", SECRET, "groups", GROUPS)


@pytest.fixture
def with_provider(pages: Serving, provider: Provider, tmp_path: Path) -> Iterator[httpx.Client]:
    with pages(Door(Accounts(tmp_path / "oidc.sqlite"), User("local", "reviewer"), provider)) as client:
        yield client


def through(site: httpx.Client, who: str) -> httpx.Response:
    """Sign in at the provider as somebody."""
    asked = site.get("/oidc")
    assert "Who are you?" in asked.text
    return site.get(f"{asked.url}&as={who}")


def test_who_has_a_group_at_the_provider_comes_in_with_its_role(with_provider: httpx.Client, tmp_path: Path) -> None:
    site = with_provider
    assert "company" in site.get("/").text
    page = through(site, "eva")
    assert "wait for a person" in page.text
    assert "eva (judges)" in page.text
    assert site.get("/users").status_code == 403
    site.cookies.clear()
    through(site, "luis")
    assert "by the provider" in site.get("/users").text
    site.cookies.clear()
    assert "You are in no group" in through(site, "otto").text
    assert site.get("/").url.path == "/login"
    names = {u.name: u.role for u in Accounts(tmp_path / "oidc.sqlite").users()}
    assert names == {"eva": "reviewer", "luis": "admin"}


@pytest.mark.parametrize(
    "changed",
    [{"nonce": "x"}, {"aud": "another"}, {"iss": "https://evil.example"}, {"exp": 1}, {"sub": ""}, {"aud": ["tamiz", "b"]}],
)
def test_a_token_that_is_not_for_this_sign_in_lets_nobody_in(
    with_provider: httpx.Client, people: OidcProvider, changed: dict[str, Any]
) -> None:
    people.changed.update(changed)
    answer = through(with_provider, "eva")
    assert answer.status_code == 403
    assert with_provider.get("/").url.path == "/login"


def test_a_token_that_another_key_signed_lets_nobody_in(with_provider: httpx.Client, people: OidcProvider) -> None:
    from joserfc.jwk import RSAKey

    people.key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
    assert through(with_provider, "eva").status_code == 403


def test_a_way_back_that_did_not_begin_here_lets_nobody_in(with_provider: httpx.Client) -> None:
    asked = with_provider.get("/oidc")
    back = httpx.get(f"{asked.url}&as=eva", trust_env=False).headers["location"]
    query = {key: values[0] for key, values in parse_qs(urlsplit(back).query).items()}
    held = dict(with_provider.cookies)
    with_provider.cookies.clear()
    assert with_provider.get("/oidc/back", params=query).status_code == 403  # somebody else's browser
    with_provider.cookies.update(held)
    assert with_provider.get("/oidc/back", params={**query, "state": "x"}).status_code == 403
    assert with_provider.get("/oidc/back", params=query).status_code == 403  # its cookie is used up


def test_settings_that_could_not_work_are_said() -> None:
    with pytest.raises(SettingsError, match="not https"):
        Provider("http://id.example", "tamiz", "", "groups", GROUPS)
    with pytest.raises(SettingsError, match="No group"):
        Provider("https://id.example", "tamiz", "", "groups", {"viewer": "", "reviewer": "", "admin": ""})
    gone = Provider("http://127.0.0.1:9", "tamiz", "", "groups", GROUPS)
    with pytest.raises(InputError, match="does not answer"):
        gone.depart("http://127.0.0.1/oidc/back")
