"""The pages of an admin: who may use the review pages, and the audit log."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from batch.pages import page, reader_language
from batch.signin import STALE, refused, sent, visitor_of
from core.errors import InputError, TamizError
from review.accounts import ROLES, Accounts
from review.passwords import SHORTEST

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

LINES = 300
"""Lines of the audit log on its page."""


def add_admin(app: "FastAPI", accounts: Accounts, language: str) -> None:
    """Add the pages to `app`."""
    from fastapi import Request
    from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
    from starlette.concurrency import run_in_threadpool

    @app.get("/users")
    def users(request: Request) -> Response:
        return refused(request, "admin") or HTMLResponse(_users(accounts, request, language, ""))

    @app.post("/users")
    async def change(request: Request) -> Response:
        if (answer := refused(request, "admin")) is not None:
            return answer
        if (form := await sent(request)) is None:
            return PlainTextResponse(STALE, status_code=403)
        try:
            await run_in_threadpool(_change, accounts, form, visitor_of(request).user.name)
        except TamizError as error:
            text = f"{error.message} {error.remedy}"
            return HTMLResponse(await run_in_threadpool(_users, accounts, request, language, text), status_code=422)
        return RedirectResponse(f"/users?lang={reader_language(request, language)}", status_code=303)

    @app.get("/audit")
    def audit(request: Request) -> Response:
        values = {"lines": [] if refused(request, "admin") else accounts.audit(LINES)}
        return refused(request, "admin") or HTMLResponse(_page("audit", request, language, **values))


def _users(accounts: Accounts, request: "Request", language: str, error: str) -> str:
    return _page("users", request, language, users=accounts.users(), roles=ROLES, shortest=SHORTEST, error=error)


def _page(template: str, request: "Request", language: str, **values: object) -> str:
    visitor = visitor_of(request)
    common = {"visitor": visitor, "token": visitor.token, "said": "", "asked": None}
    return page(template, reader_language(request, language), **common, **values)


def _change(accounts: Accounts, form: Mapping[str, str], by: str) -> None:
    """What a form of the page asks for. Nobody locks themselves out: an admin's own account is changed by another one."""
    name, what = form.get("name", "").strip(), form.get("what", "")
    role = next((one for one in ROLES if one == form.get("role", "")), None)
    if what != "add" and name.lower() == by.lower():
        raise InputError("This is your own account.", remedy="Ask another admin, or use `python -m batch users`.")
    if what == "add" and role:
        accounts.add(name, role, form.get("password", ""), by)
    elif what == "role" and role:
        accounts.set_role(name, role, by)
    elif what in {"disable", "enable"}:
        accounts.set_disabled(name, what == "disable", by)
    else:
        raise InputError(f"There is no {what!r}.", remedy="Use the buttons of the page.")
