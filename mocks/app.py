"""What every mock application shares: refusals as JSON, an optional bearer token, /health, faults as the outermost layer."""

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.types import ASGIApp

from core.errors import DeskError, StorageError
from mocks.faults import FaultInjection, Faults

Actor = Annotated[str, Header(alias="X-Actor", description="Who makes the change; kept in the audit trail.", max_length=200)]


class Refused(DeskError):
    """A mock's refusal of one request; becomes an HTTP answer with `status` and `details` beside the message."""

    def __init__(self, status: int, error: str, message: str, *, remedy: str, **details: str | int) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status
        self.error = error
        self.details = details


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON answer, ready as text; `replayed`: it was given before under the same idempotency key."""

    body: str
    status: int = 200
    replayed: bool = False

    def response(self) -> Response:
        """As HTTP."""
        headers = {"Idempotent-Replay": "true"} if self.replayed else None
        return Response(self.body, self.status, headers, "application/json")


def build(title: str, routers: Sequence[APIRouter], state: Mapping[str, Any], *, faults: Faults, token: str) -> ASGIApp:
    """The application of `routers`, which find their `state` under `app.state`. An empty token lets everybody in."""
    app = FastAPI(title=title, docs_url="/docs", redoc_url=None)
    for name, value in state.items():
        setattr(app.state, name, value)
    for router in routers:
        app.include_router(router, dependencies=[Depends(_bearer(token))] if token else [])
    app.add_api_route("/health", _health)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(StorageError, _no_storage)
    return FaultInjection(app, faults) if faults.rules else app


async def _health() -> dict[str, str]:
    """Answers when the mock is up; needs no token."""
    return {"status": "ok"}


def _bearer(token: str) -> Callable[[str], Awaitable[None]]:
    async def check(authorization: Annotated[str, Header()] = "") -> None:
        if not secrets.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
            raise Refused(401, "unauthorized", "The bearer token is missing or wrong.", remedy="Send the mock's --token.")

    return check


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101 - registered for this type only
    body = {"error": error.error, "message": error.message, "remedy": error.remedy, **error.details}
    return Response(json.dumps(body), error.status, media_type="application/json")


async def _invalid(request: Request, error: Exception) -> Response:
    """Without the input: it may hold what no answer can carry, such as half of a surrogate pair."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type only
    found = [{"field": ".".join(map(str, e["loc"])), "message": e["msg"]} for e in error.errors()]
    body = {"error": "invalid", "message": "The request does not have the documented form.", "fields": found}
    return Response(json.dumps(body), 422, media_type="application/json")


async def _no_storage(request: Request, error: Exception) -> Response:
    return Response(json.dumps({"error": "storage", "message": str(error)}), 507, media_type="application/json")
