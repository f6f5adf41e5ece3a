"""Who comes in to the pages: the session of a request, signing in and out, and the headers that every answer has.

While nobody has an account and the pages are served on this machine only, whoever opens them is the local user. From the first
account on, or with a provider, everybody signs in. A page takes a change only from itself: a form carries a token that is made
from the session, and without accounts the address that was asked for has to be a loopback one, so that no other site's name can
be pointed here.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from batch.pages import page, read_form, reader_language
from batch.review_words import spoken
from batch.serving import is_loopback
from core.errors import InputError, TamizError
from review.accounts import Accounts, Role, User
from review.oidc import Provider
from review.sessions import LONGEST_S, Sessions, form_token, same

if TYPE_CHECKING:
    from fastapi import FastAPI, Request
    from fastapi.responses import Response

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
FREE = frozenset(("/healthz", "/review.js", "/login", "/oidc", "/oidc/back"))
"""What nobody has to be signed in for."""
STALE = "This form is out of date: go back and load the page again."


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks, and the token that their forms carry. `signed_in`: as themselves, not as the local user."""

    user: User
    token: str
    signed_in: bool


@dataclass(frozen=True)
class Door:
    """What decides who comes in. `local` is who uses the pages while nobody has an account, None where that may not be;
    `secure`: people come by https."""

    accounts: Accounts
    local: User | None
    provider: Provider | None = None
    url: str = ""
    own: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def sessions(self) -> Sessions:
        """Where people are signed in."""
        return Sessions(self.accounts.path)

    @property
    def secure(self) -> bool:
        """Whether people come by https, so that cookies never travel otherwise."""
        return self.url.startswith("https:")

    def locked(self) -> bool:
        """Whether one has to sign in."""
        return self.local is None or self.provider is not None or self.accounts.exist()

    def visitor(self, request: "Request") -> Visitor | None:
        """Who asks; None where nobody is signed in."""
        if self.local is not None and not self.locked():
            return Visitor(self.local, self.own, signed_in=False)
        token = request.cookies.get(self.cookie("session"), "")
        user = self.sessions.user(token)
        return Visitor(user, form_token(token), signed_in=True) if user else None

    def cookie(self, name: str) -> str:
        """The name of a cookie: over https one that no other page of the domain can set."""
        return f"__Host-tamiz-{name}" if self.secure else f"tamiz-{name}"

    def give(self, response: "Response", name: str, value: str, *, cross: bool = False) -> None:
        """A cookie that scripts can't read and other sites' pages don't send; with `cross` it is there when one comes back."""
        response.set_cookie(
            self.cookie(name),
            value,
            max_age=int(LONGEST_S) if name == "session" else 600,
            httponly=True,
            secure=self.secure,
            samesite="lax" if cross else "strict",
        )


def visitor_of(request: "Request") -> Visitor:
    """Who asks, as the door found."""
    found = request.state.visitor
    assert isinstance(found, Visitor)  # noqa: S101 - the door lets nobody else through
    return found


def refused(request: "Request", role: Role) -> "Response | None":
    """The answer to who may not do what `role` may; None where they may."""
    from fastapi.responses import PlainTextResponse

    visitor = visitor_of(request)
    if visitor.user.may(role):
        return None
    return PlainTextResponse(f"As {visitor.user.role} you may not do this: ask an admin.", status_code=403)


async def sent(request: "Request") -> dict[str, str] | None:
    """The fields of a form that a page of this visitor's sent; None where it is somebody else's, or out of date."""
    form = await read_form(request)
    return form if form is not None and same(form.get("token", ""), visitor_of(request).token) else None


def add_door(app: "FastAPI", door: Door, language: str) -> None:
    """Let people in to `app` by `door`."""
    from fastapi import Request
    from fastapi.responses import PlainTextResponse, RedirectResponse, Response
    from starlette.concurrency import run_in_threadpool

    @app.middleware("http")
    async def come_in(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await _admitted(request, call_next)
        response.headers.update(HEADERS)
        return response

    async def _admitted(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        if request.url.path == "/healthz":
            return await call_next(request)
        visitor = await run_in_threadpool(door.visitor, request)
        if (visitor is None or not visitor.signed_in) and not door.locked() and not is_loopback(request.url.hostname or ""):
            return PlainTextResponse("Open it by its address on this machine.", status_code=403)
        if visitor is None and request.url.path not in FREE:
            return _to_sign_in(request)
        request.state.visitor = visitor
        return await call_next(request)

    @app.get("/login")
    def ask(request: Request) -> Response:
        return _sign_in_page(door, request, language, "") if door.locked() else RedirectResponse("/", status_code=303)

    @app.post("/login")
    async def sign_in(request: Request) -> Response:
        form = await read_form(request)
        visit = request.cookies.get(door.cookie("visit"), "")
        if form is None or not visit or not same(form.get("token", ""), form_token(visit)):
            return PlainTextResponse(STALE, status_code=403)
        tried = await run_in_threadpool(door.sessions.sign_in, form.get("name", ""), form.get("password", ""), _from(request))
        if tried.refused:
            said = spoken(f"sign_in_{tried.refused}", reader_language(request, language))
            return _sign_in_page(door, request, language, said, 429 if tried.refused == "wait" else 403)
        response = RedirectResponse(inside(request.query_params.get("next", "")), status_code=303)
        door.give(response, "session", tried.token)
        return response

    @app.post("/logout")
    async def sign_out(request: Request) -> Response:
        if await sent(request) is None:
            return PlainTextResponse(STALE, status_code=403)
        await run_in_threadpool(door.sessions.end, request.cookies.get(door.cookie("session"), ""))
        response = RedirectResponse("/login", status_code=303)
        response.delete_cookie(door.cookie("session"), httponly=True, secure=door.secure, samesite="strict")
        return response

    if door.provider is not None:
        _add_provider(app, door, door.provider, language)


def _add_provider(app: "FastAPI", door: Door, provider: Provider, language: str) -> None:
    from fastapi import Request
    from fastapi.responses import RedirectResponse, Response

    @app.get("/oidc")
    def go(request: Request) -> Response:
        here = door.url.rstrip("/") or str(request.base_url).rstrip("/")
        try:
            departure = provider.depart(f"{here}/oidc/back")
        except InputError as error:
            return _sign_in_page(door, request, language, f"{error.message} {error.remedy}", 502)
        response = RedirectResponse(departure.address, status_code=303)
        door.give(response, "journey", door.sessions.depart(departure.kept), cross=True)
        return response

    @app.get("/oidc/back")
    def back(request: Request) -> Response:
        kept = door.sessions.arrive(request.cookies.get(door.cookie("journey"), ""))
        try:
            one = provider.arrive(kept, dict(request.query_params))
            user = door.accounts.provided(one.subject, one.name, one.role)
        except TamizError as error:
            door.accounts.note("", "refused", "(at the provider)", _from(request))
            return _sign_in_page(door, request, language, f"{error.message} {error.remedy}", 403)
        response = RedirectResponse("/", status_code=303)
        door.give(response, "session", door.sessions.begin(user.name, _from(request)))
        response.delete_cookie(door.cookie("journey"), httponly=True, secure=door.secure, samesite="lax")
        return response


def inside(path: str) -> str:
    """A path of ours to go on to; the queue for anything that could lead elsewhere."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() else "/"


def _to_sign_in(request: "Request") -> "Response":
    """Where nobody is signed in. Who comes by a link of another site sends no cookie at first: their browser is asked again."""
    from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse

    if request.method != "GET":
        return PlainTextResponse(STALE, status_code=403)
    asked = inside(quote(request.url.path) + (f"?{request.url.query}" if request.url.query else ""))
    if request.headers.get("sec-fetch-site") == "cross-site":
        to = escape(asked)
        return HTMLResponse(
            f'<!doctype html><title>Tamiz</title><meta http-equiv="refresh" content="0;url={to}"><a href="{to}">Tamiz</a>'
        )
    spoken_in = {"lang": chosen} if (chosen := request.query_params.get("lang")) else {}
    return RedirectResponse(f"/login?{urlencode({'next': asked, **spoken_in})}", status_code=303)


def _sign_in_page(door: Door, request: "Request", usual: str, said: str, status: int = 200) -> "Response":
    from fastapi.responses import HTMLResponse

    visit = request.cookies.get(door.cookie("visit"), "") or secrets.token_urlsafe(24)
    shown: Mapping[str, object] = {
        "token": form_token(visit),
        "said": "",
        "error": said,
        "next": inside(request.query_params.get("next", "")),
        "with_provider": door.provider is not None,
        "visitor": None,
    }
    response = HTMLResponse(page("sign_in", reader_language(request, usual), **shown), status_code=status)
    door.give(response, "visit", visit)
    return response


def _from(request: "Request") -> str:
    return request.client.host if request.client else ""
