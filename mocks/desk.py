"""A service desk over HTTP with its own state on disk: what `servicedesk.http` talks to, and a person with curl.

GET    /tickets?status=open&updated_since=...&cursor=...&limit=100      POST /tickets
GET    /tickets/{id}        PATCH /tickets/{id}   (If-Match or "revision"; 409 with the current revision)
GET    /tickets/{id}/comments, /attachments, /attachments/{n}, /history, /properties/{name}
POST   /tickets/{id}/comments, /attachments?name=...                    PUT  /tickets/{id}/properties/{name}
GET    /webhooks            POST /webhooks        DELETE /webhooks/{n}  GET  /health
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi import Path as PathParameter
from starlette.types import ASGIApp

from mocks.app import Actor, Refused, build
from mocks.desk_models import MAX_ATTACHMENT, NewComment, NewTicket, NewWebhook, Patch, Property, TicketDocument, check_size
from mocks.desk_store import DeskStore
from mocks.faults import Faults

NO_FAULTS = Faults()


def create_desk(state: Path, *, tickets: Path | None = None, faults: Faults = NO_FAULTS, token: str = "") -> ASGIApp:
    """The desk with its state in the folder `state`; `tickets` (.jsonl) is loaded where it has none.

    Raises InputError or RowError for the tickets file and StorageError for the state.
    """
    return build("Mock service desk", [router], {"desk": open_desk(state, tickets)}, faults=faults, token=token)


def open_desk(state: Path, tickets: Path | None = None) -> DeskStore:
    """The desk's state, seeded where it is empty."""
    store = DeskStore(state)
    if tickets:
        store.seed(tickets)
    return store


@asynccontextmanager
async def _running(app: FastAPI) -> AsyncIterator[None]:
    store: DeskStore = app.state.desk
    async with store.webhooks.delivering():
        yield
    store.close()


async def _desk(request: Request) -> DeskStore:
    store: DeskStore = request.app.state.desk
    return store


async def _actor(actor: Actor = "anonymous") -> str:
    return actor


async def _expected(if_match: Annotated[str, Header()] = "") -> int | None:
    """The revision of If-Match; None where it is missing or `*`."""
    plain = if_match.strip().removeprefix("W/").strip('"')
    if plain in ("", "*"):
        return None
    if not (plain.isascii() and plain.isdigit() and len(plain) < 19):
        raise Refused(400, "bad_if_match", f"If-Match {if_match!r} is no revision.", remedy="Send the revision number.")
    return int(plain)


Desk = Annotated[DeskStore, Depends(_desk)]
Who = Annotated[str, Depends(_actor)]
Expected = Annotated[int | None, Depends(_expected)]
Number = Annotated[int, PathParameter(le=2**62)]

router = APIRouter(lifespan=_running)


@router.get("/tickets")
async def list_tickets(
    desk: Desk,
    status: str | None = None,
    updated_since: datetime | None = None,
    cursor: Annotated[int, Query(ge=0, le=2**62)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """`{"tickets": [...], "next": cursor or null}` in order of creation; stays right while tickets change."""
    return desk.page(status=status, since=updated_since, after=cursor, limit=limit).response()


@router.post("/tickets", status_code=201, response_model=TicketDocument)
async def create_ticket(
    desk: Desk, who: Who, new: NewTicket, idempotency_key: Annotated[str | None, Header()] = None
) -> Response:
    """A new ticket, at revision 1."""
    return desk.create(new, who, idempotency_key).response()


@router.get("/tickets/{ticket_id}", response_model=TicketDocument)
async def get_ticket(desk: Desk, ticket_id: str) -> Response:
    """One ticket with its fields, properties and revision."""
    return desk.ticket(ticket_id).response()


@router.patch("/tickets/{ticket_id}", response_model=TicketDocument)
async def patch_ticket(desk: Desk, who: Who, ticket_id: str, patch: Patch, expected: Expected) -> Response:
    """Fields, status, comment and properties in one transaction, and the whole ticket back."""
    named = {revision for revision in (expected, patch.revision) if revision is not None}
    if len(named) != 1:
        message = "Say once which revision you change." if named else "Say which revision you change."
        raise Refused(400 if named else 428, "revision", message, remedy='Send If-Match or "revision" in the body.')
    return desk.patch(ticket_id, patch, who, named.pop()).response()


@router.get("/tickets/{ticket_id}/history")
async def history(desk: Desk, ticket_id: str) -> Response:
    """Every change: revision, at, actor, field, old, new."""
    return desk.history(ticket_id).response()


@router.get("/tickets/{ticket_id}/comments")
async def list_comments(desk: Desk, ticket_id: str) -> Response:
    """All comments, oldest first."""
    return desk.comments(ticket_id).response()


@router.post("/tickets/{ticket_id}/comments", status_code=201)
async def add_comment(desk: Desk, who: Who, ticket_id: str, new: NewComment) -> Response:
    """Add a comment."""
    return desk.comment(ticket_id, new, who).response()


@router.get("/tickets/{ticket_id}/properties/{name}")
async def get_property(desk: Desk, ticket_id: str, name: str) -> Response:
    """One property of the ticket's bag."""
    return desk.property(ticket_id, name).response()


@router.put("/tickets/{ticket_id}/properties/{name}", response_model=TicketDocument)
async def put_property(desk: Desk, who: Who, ticket_id: str, name: str, value: Property, expected: Expected) -> Response:
    """Set one property (a JSON object)."""
    try:
        check_size(name, value)
    except ValueError as error:
        raise Refused(422, "bad_property", f"It can't be kept: {error}.", remedy="Keep less in it, and only text.") from error
    return desk.set_property(ticket_id, name, value, who, expected).response()


@router.get("/tickets/{ticket_id}/attachments")
async def list_attachments(desk: Desk, ticket_id: str) -> Response:
    """Number, name, media type, size and SHA-256 of each."""
    return desk.attachments(ticket_id).response()


@router.post("/tickets/{ticket_id}/attachments", status_code=201)
async def attach(
    request: Request, desk: Desk, who: Who, ticket_id: str, name: Annotated[str, Query(min_length=1, max_length=255)]
) -> Response:
    """The body of the request is the file, at most 1 MiB."""
    media_type = request.headers.get("content-type", "application/octet-stream")
    return desk.attach(ticket_id, name, media_type, await _small_body(request), who).response()


@router.get("/tickets/{ticket_id}/attachments/{number}")
async def download(
    desk: Desk, ticket_id: str, number: Number, max_bytes: Annotated[int, Query(ge=0)] = MAX_ATTACHMENT
) -> Response:
    """The file, never shown inline; refused where it is larger than `max_bytes`."""
    name, content = desk.attachment(ticket_id, number, max_bytes)
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}", "X-Content-Type-Options": "nosniff"}
    return Response(content, headers=headers, media_type="application/octet-stream")


@router.get("/webhooks")
async def list_webhooks(desk: Desk) -> Response:
    """Registered addresses with their deliveries by state."""
    return desk.webhooks.registered().response()


@router.post("/webhooks", status_code=201)
async def register_webhook(desk: Desk, new: NewWebhook) -> Response:
    """POST every ticket.created and ticket.updated there, signed with HMAC-SHA256 in X-Desk-Signature."""
    return desk.webhooks.register(new).response()


@router.delete("/webhooks/{number}", status_code=204)
async def remove_webhook(desk: Desk, number: Number) -> None:
    """Stop delivering there."""
    desk.webhooks.remove(number)


async def _small_body(request: Request) -> bytes:
    """The body, read piece by piece so that an oversized one is never held."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_ATTACHMENT:
            raise Refused(413, "too_large", f"At most {MAX_ATTACHMENT} bytes.", remedy="Attach a smaller file.")
    return bytes(body)
