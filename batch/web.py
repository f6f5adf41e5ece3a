"""`python -m batch web`: review in a browser. Pages are forms; a little script adds keys, nothing needs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from batch import console
from batch.assemble import House
from batch.comment import reasons
from batch.pages import TEMPLATES, page, reader_language
from batch.review_view import view
from batch.review_words import REASONS, spoken
from batch.reviewing import NEWEST, SHOWS, ReviewDesk, Show
from batch.serving import is_loopback, serve_until_stopped
from batch.settings import WebSettings
from batch.signin import STALE, Door, add_door, refused, sent, visitor_of
from batch.web_admin import add_admin
from batch.web_nights import add_nights
from core.errors import InputError, TamizError
from observability.reviews import Review
from review.accounts import FILE, Accounts, Role, User
from review.oidc import Provider
from review.queue import ORDERS, Order, teaches

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

SHOWN = 200
"""Tickets on the page of the queue."""


def serve_review(house: House, who: str, host: str, port: int) -> None:
    """Serve the pages until Ctrl+C.

    Raises:
        InputError: they would be open to the network, and nobody has an account.
    """
    import getpass

    settings, name = house.settings, who or getpass.getuser()
    door = make_door(Accounts(settings.home / FILE), settings.web, name, host)
    language = console.terminal_language(settings.run.language)

    def started(address: str) -> None:
        as_whom = "; people sign in" if door.locked() else f" as {name}"
        console.say(f"Review at {door.url or address}{as_whom}; Ctrl+C stops.")

    serve_until_stopped(create_app(ReviewDesk(house, name), language, door), host, port, started)


def make_door(accounts: Accounts, web: WebSettings, name: str, host: str) -> Door:
    """Who may come in, where the pages are served on `host`; `name` is the local user.

    Raises:
        InputError: anybody could.
    """
    provider = None
    if web.oidc_issuer:
        groups: dict[Role, str] = {"viewer": web.oidc_viewers, "reviewer": web.oidc_reviewers, "admin": web.oidc_admins}
        provider = Provider(web.oidc_issuer, web.oidc_client, web.oidc_secret.get_secret_value(), web.oidc_claim, groups)
    here = is_loopback(host) and not web.url
    if not here and provider is None and not accounts.exist():
        message = "The pages would be open to everybody who can reach this machine."
        raise InputError(message, remedy="Make an account first: `python -m batch users add NAME --role admin`.")
    if not here and not web.url.startswith("https:"):
        console.say("Passwords and tickets travel in the clear: put a proxy with https before it and set web.url to its address.")
    return Door(accounts, User(name, "reviewer") if here else None, provider, web.url)


def create_app(desk: ReviewDesk, language: str, door: Door) -> "FastAPI":
    """The pages over one home; `language` is what they speak until the reader chooses another."""
    from fastapi import FastAPI, Request
    from fastapi.responses import PlainTextResponse, Response

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    add_door(app, door, language)
    add_admin(app, door.accounts, language)
    add_nights(app, desk.house.home, door, language)
    _add_looking(app, desk, language)
    _add_judging(app, desk, door, language)

    @app.exception_handler(TamizError)
    async def said(_: Request, error: TamizError) -> Response:
        return PlainTextResponse(f"{error.message} {error.remedy}", status_code=503)

    @app.get("/review.js")
    def script() -> Response:
        return Response((TEMPLATES / "review.js").read_text(encoding="utf-8"), media_type="text/javascript")

    @app.get("/healthz")
    def healthy() -> dict[str, str]:
        return {"status": "ok"}

    return app


def _add_looking(app: "FastAPI", desk: ReviewDesk, language: str) -> None:
    """The queue and a ticket."""
    from fastapi import Request
    from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

    @app.get("/")
    def queue(request: Request) -> Response:
        asked = _Asked.of(request, language)
        if asked.part and (exact := _found(desk, asked.part)):
            return RedirectResponse(asked.path(exact), status_code=303)
        found = _listed(desk, asked)
        if asked.part and len(found) == 1:
            return RedirectResponse(asked.path(found[0]), status_code=303)
        return HTMLResponse(_queue(found, asked, request))

    @app.get("/tickets/{ticket:path}")
    def one(ticket: str, request: Request) -> Response:
        asked = _Asked.of(request, language)
        if (review := _found(desk, ticket)) is None:
            return PlainTextResponse(f"No run has decided on a ticket {ticket!r}.", status_code=404)
        return HTMLResponse(_ticket(desk, review, asked, request, ""))


def _add_judging(app: "FastAPI", desk: ReviewDesk, door: Door, language: str) -> None:
    """What the buttons of a ticket do."""
    from fastapi import Request
    from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
    from starlette.concurrency import run_in_threadpool

    @app.post("/tickets/{ticket:path}/{action}")
    async def judge(ticket: str, action: str, request: Request) -> Response:
        asked = _Asked.of(request, language)
        if (answer := refused(request, "reviewer")) is not None:
            return answer
        if (form := await sent(request)) is None:
            return PlainTextResponse(STALE, status_code=403)
        visitor = visitor_of(request)
        mine = replace(desk, who=visitor.user.name)
        try:
            said = await run_in_threadpool(_act, mine, ticket, action, form)
        except TamizError as error:
            if (review := await run_in_threadpool(_found, desk, ticket)) is None:
                return PlainTextResponse(f"{error.message} {error.remedy}", status_code=404)
            text = f"{error.message} {error.remedy}"
            return HTMLResponse(await run_in_threadpool(_ticket, desk, review, asked, request, text), status_code=422)
        if visitor.signed_in:
            await run_in_threadpool(door.accounts.note, visitor.user.name, "verdict", ticket, said["what"])
        left = await run_in_threadpool(desk.waiting, asked.order)
        after = next((r.decision.ticket_id for r in left if r.decision.ticket_id != ticket), "")
        query = asked.query(done=ticket, **said)
        return RedirectResponse(f"/tickets/{quote(after, safe='')}?{query}" if after else f"/?{query}", status_code=303)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the address of a page says of how it is to be shown."""

    language: str
    order: Order
    show: Show
    part: str

    @classmethod
    def of(cls, request: "Request", usual: str) -> "_Asked":
        given = request.query_params
        order: Order = next((one for one in ORDERS if one == given.get("order", "")), "mixed")
        show: Show = next((one for one in SHOWS if one == given.get("show", "")), "waiting")
        return cls(reader_language(request, usual), order, show, given.get("q", "").strip()[:200])

    def query(self, **changed: str) -> str:
        """As a query, with something else or more."""
        return urlencode({"order": self.order, "show": self.show, "lang": self.language, **changed})

    def path(self, review: Review) -> str:
        """Where a ticket's page is."""
        return f"/tickets/{quote(review.decision.ticket_id, safe='')}?{self.query()}"


def _listed(desk: ReviewDesk, asked: _Asked) -> Sequence[Review]:
    if asked.part:
        return desk.listed("all", asked.part)
    return desk.waiting(asked.order) if asked.show == "waiting" else desk.listed(asked.show)


def _queue(found: Sequence[Review], asked: _Asked, request: "Request") -> str:
    rows = [(one, teaches(one.decision), next(iter(reasons(one.decision.causes, asked.language)), "")) for one in found[:SHOWN]]
    told = {"orders": ORDERS, "shows": SHOWS, "count": len(found), "rows": rows, "newest": NEWEST}
    return _page("review_queue", asked, request, **told)


def _ticket(desk: ReviewDesk, review: Review, asked: _Asked, request: "Request", error: str) -> str:
    house = desk.house
    shown = view(review, house.taxonomy, desk.exemplars(), asked.language, house.settings.critic.approve_at)
    may = visitor_of(request).user.may("reviewer")
    proposed = {field.name: field.label for field in shown.fields if field.label}
    return _page("review_ticket", asked, request, t=shown, error=error, reasons=REASONS, may=may, proposed=proposed)


def _page(template: str, asked: _Asked, request: "Request", **values: object) -> str:
    visitor = visitor_of(request)
    common = {"asked": asked, "visitor": visitor, "token": visitor.token, "said": _said(request, asked.language)}
    return page(template, asked.language, **common, **values)


def _found(desk: ReviewDesk, ticket: str) -> Review | None:
    try:
        return desk.find(ticket)
    except InputError:
        return None


def _act(desk: ReviewDesk, ticket: str, action: str, form: Mapping[str, str]) -> dict[str, str]:
    """What was done, and what became of it at the desk."""
    reason, exemplar = _reason(form), form.get("exemplar", "")
    if action == "skip":
        desk.skip(ticket)
        return {"what": "skipped", "desk": ""}
    if action == "undo":
        return {"what": "undone", "desk": desk.undo(ticket).desk}
    if action == "reject":
        return {"what": "rejected", "desk": desk.judge(ticket, "rejected", {}, reason).desk}
    if action not in {"approve", "correct"}:
        raise InputError(f"There is no {action!r}.", remedy="Use the buttons of the page.")
    decision = desk.find(ticket).decision
    chosen = {key.removeprefix("field."): value for key, value in form.items() if key.startswith("field.") and value}
    changed = {f: label for f, label in chosen.items() if f not in decision.fusion or decision.fusion[f].label != label}
    given = desk.judge(ticket, "corrected" if changed else "approved", changed, reason, exemplar)
    return {"what": given.verdict.action, "desk": given.desk}


def _reason(form: Mapping[str, str]) -> str:
    listed = REASONS.get(form.get("reason", ""), ("", ""))[1].strip("–")
    return "; ".join(filter(None, (listed, form.get("words", "").strip()[:500])))


def _said(request: "Request", language: str) -> str:
    """What was done on the page before, in words."""
    asked = request.query_params
    what, desk = asked.get("what", ""), f"desk_{asked.get('desk', '')}"
    if what not in {"approved", "corrected", "rejected", "skipped", "undone"} or desk not in {
        "desk_", "desk_written", "desk_already", "desk_conflict", "desk_failed",
    }:  # fmt: skip
        return ""
    return ", ".join(filter(None, (f"{asked.get('done', '')} {spoken(what, language)}", spoken(desk, language))))
