"""`python -m batch web`: review in a browser, on this machine only. Pages are forms; a little script adds keys, nothing needs it.

A page takes a change only from itself: the address that was asked for has to be a loopback one (no other site's name can be
pointed here), and each form carries a token that only pages of this server show.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlencode

from batch import console
from batch.assemble import House
from batch.review_view import REASONS, spoken, view
from batch.reviewing import ReviewDesk
from core.errors import InputError, TamizError
from observability.reviews import Review
from review.queue import ORDERS, Order, teaches

if TYPE_CHECKING:
    from fastapi import FastAPI, Request
    from jinja2 import Environment

TEMPLATES = Path(__file__).with_name("templates")
LONGEST_FORM = 64_000
"""Bytes of a form that is read."""
SHOWN = 200
"""Tickets of the queue on its page."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; img-src data:; form-action 'self'; base-uri 'none'"

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def serve_review(house: House, who: str, port: int) -> None:
    """Serve the pages until Ctrl+C."""
    import getpass
    import threading

    from mocks.serve import serve

    desk = ReviewDesk(house, who or getpass.getuser())
    with serve(create_app(desk, console.terminal_language(house.settings.run.language)), port) as url:
        console.say(f"Review at {url} as {desk.who}; Ctrl+C stops.")
        threading.Event().wait()


def create_app(desk: ReviewDesk, language: str) -> "FastAPI":
    """The pages over one home; `language` is what they speak until the reader chooses another."""
    from fastapi import FastAPI, Request
    from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    token = secrets.token_urlsafe(24)

    @app.middleware("http")
    async def only_here(request: Request, call_next: Callable[..., object]) -> Response:
        if not _is_loopback(request.url.hostname or ""):
            return PlainTextResponse("Open it by its address on this machine.", status_code=403)
        response: Response = await call_next(request)  # type: ignore[misc]
        response.headers.update(HEADERS)
        return response

    @app.get("/")
    def queue(request: Request) -> Response:
        order, spoken_in = _order(request), _language(request, language)
        waiting = desk.waiting(order)
        rows = [(one, teaches(one.decision)) for one in waiting[:SHOWN]]
        told = {"order": order, "orders": ORDERS, "waiting": len(waiting), "rows": rows, "said": _said(request, spoken_in)}
        return HTMLResponse(_page("review_queue", spoken_in, **told))

    @app.get("/tickets/{ticket}")
    def one(ticket: str, request: Request) -> Response:
        spoken_in = _language(request, language)
        try:
            review = desk.find(ticket)
        except InputError as error:
            return PlainTextResponse(f"{error.message} {error.remedy}", status_code=404)
        return HTMLResponse(_ticket(desk, review, spoken_in, _order(request), token, _said(request, spoken_in), ""))

    @app.post("/tickets/{ticket}/{action}")
    async def judge(ticket: str, action: str, request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool

        form = await _form(request)
        spoken_in, order = _language(request, language), _order(request)
        if form is None or not hmac.compare_digest(form.get("token", ""), token):
            return PlainTextResponse("This form is out of date: go back and load the page again.", status_code=403)
        try:
            said = await run_in_threadpool(_act, desk, ticket, action, form)
        except TamizError as error:
            review = await run_in_threadpool(desk.find, ticket)
            page = _ticket(desk, review, spoken_in, order, token, "", f"{error.message} {error.remedy}")
            return HTMLResponse(page, status_code=422)
        left = await run_in_threadpool(desk.waiting, order)
        after = next((r.decision.ticket_id for r in left if r.decision.ticket_id != ticket), "")
        query = urlencode({"order": order, "lang": spoken_in, "done": ticket, **said})
        return RedirectResponse(f"/tickets/{quote(after, safe='')}?{query}" if after else f"/?{query}", status_code=303)

    @app.get("/review.js")
    def script() -> Response:
        return Response((TEMPLATES / "review.js").read_text(encoding="utf-8"), media_type="text/javascript")

    return app


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


def _ticket(desk: ReviewDesk, review: Review, language: str, order: Order, token: str, said: str, error: str) -> str:
    house = desk.house
    exemplars = {one.id: one for one in house.shelf.exemplars()}
    shown = view(review, house.taxonomy, exemplars, language, house.settings.critic.approve_at)
    return _page("review_ticket", language, order=order, t=shown, token=token, said=said, error=error, reasons=REASONS)


def _page(template: str, language: str, **values: object) -> str:
    def word(key: str, **inner: object) -> str:
        return spoken(key, language, **inner)

    return _environment().get_template(f"{template}.html.jinja").render(w=word, language=language, **values)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, autoescape=True, trim_blocks=True)


def _said(request: "Request", language: str) -> str:
    """What was done on the page before, in words."""
    asked = request.query_params
    what, desk = asked.get("what", ""), f"desk_{asked.get('desk', '')}"
    if what not in {"approved", "corrected", "rejected", "skipped", "undone"} or desk not in {
        "desk_", "desk_written", "desk_already", "desk_conflict", "desk_failed",
    }:  # fmt: skip
        return ""
    return ", ".join(filter(None, (f"{asked.get('done', '')} {spoken(what, language)}", spoken(desk, language))))


def _order(request: "Request") -> Order:
    asked = request.query_params.get("order", "")
    return next((order for order in ORDERS if order == asked), "mixed")


def _language(request: "Request", usual: str) -> str:
    asked = request.query_params.get("lang", "")
    return asked if asked in {"es", "en"} else usual


async def _form(request: "Request") -> dict[str, str] | None:
    """The fields of a form, or None where it is too long or none."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LONGEST_FORM:
            return None
    try:
        return {key: values[-1] for key, values in parse_qs(body.decode(), max_num_fields=200).items()}
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
