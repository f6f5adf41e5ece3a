"""Fault injection by configuration: an ASGI wrapper whose faults follow from (seed, rule, number of the request) alone.

    {"seed": 7, "rules": [
        {"route": "/tickets/*", "methods": ["PATCH"], "kind": "drop", "rate": 0.1},
        {"route": "*", "kind": "status", "status": 429, "retry_after": 1, "rate": 0.05},
        {"route": "*", "kind": "latency", "seconds": 0.3, "rate": 0.2}]}

Each rule counts the requests that match it, in order of arrival; all latencies that strike add up, then the first other
fault that strikes is done.
"""

import asyncio
import json
import os
import random
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import SettingsError

FAULTS_VARIABLE = "TAMIZ_FAULTS"


class FaultRule(BaseModel):
    """One kind of fault on the requests whose path matches `route` (shell pattern) and whose method is listed (none: all).

    `latency` waits `seconds`; `status` answers `status`, before the request is carried out unless `processed`; `drop` carries
    it out and closes the connection without a byte of answer; `truncate` carries it out and sends half of the answer.
    `rate` is the share struck, 0..1, after the first `skip` requests and at most `limit` times.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["latency", "status", "drop", "truncate"]
    route: str = "*"
    methods: frozenset[str] = frozenset()
    rate: float = Field(default=1.0, ge=0.0, le=1.0)
    skip: int = Field(default=0, ge=0)
    limit: int | None = Field(default=None, ge=0)
    status: Literal[409, 429, 500, 502, 503, 504] = 503
    processed: bool = False
    seconds: float = Field(default=0.05, ge=0.0)
    retry_after: float | None = Field(default=None, ge=0.0)


class Faults(BaseModel):
    """A schedule of faults; empty by default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0
    rules: tuple[FaultRule, ...] = ()


def load_faults(path: Path | None = None) -> Faults:
    """The faults of the file, else of TAMIZ_FAULTS (JSON, or the path of a JSON file), else none. Raises SettingsError."""
    given = str(path) if path else os.environ.get(FAULTS_VARIABLE, "").strip()
    if not given:
        return Faults()
    try:
        return Faults.model_validate_json(given if given.startswith("{") else Path(given).read_bytes())
    except (OSError, ValidationError) as error:
        remedy = f"Correct the file or {FAULTS_VARIABLE}; the form is described in mocks/faults.py."
        raise SettingsError(f"The faults can't be read: {error}.", remedy=remedy) from error


class FaultInjection:
    """Wraps an ASGI application; every request passes the rules in their order. It has to be the outermost layer."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self.app = app
        self.faults = faults
        self._seen = [0] * len(faults.rules)
        self._struck = [0] * len(faults.rules)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        struck = self._strikes(scope["path"], scope["method"])
        await asyncio.sleep(sum(rule.seconds for rule in struck if rule.kind == "latency"))
        await self._carry_out(next((r for r in struck if r.kind != "latency"), None), scope, receive, send)

    def _strikes(self, path: str, method: str) -> Sequence[FaultRule]:
        struck = []
        for index, rule in enumerate(self.faults.rules):
            if not fnmatchcase(path, rule.route) or (rule.methods and method not in rule.methods):
                continue
            number, self._seen[index] = self._seen[index], self._seen[index] + 1
            draw = random.Random(f"{self.faults.seed}/{index}/{number}").random()
            if number >= rule.skip and draw < rule.rate and (rule.limit is None or self._struck[index] < rule.limit):
                self._struck[index] += 1
                struck.append(rule)
        return struck

    async def _carry_out(self, rule: FaultRule | None, scope: Scope, receive: Receive, send: Send) -> None:
        if rule is None:
            await self.app(scope, receive, send)
        elif rule.kind == "truncate":
            await self.app(scope, receive, _half(send))
        else:
            if rule.kind == "drop" or rule.processed:
                await self.app(scope, receive, _nowhere)
            await (_hang_up(receive, send) if rule.kind == "drop" else _refuse(rule, send))


async def _nowhere(message: Message) -> None:
    """The answer is lost."""


async def _refuse(rule: FaultRule, send: Send) -> None:
    body = json.dumps({"error": "injected", "message": f"Injected fault {rule.status}."}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if rule.retry_after is not None:
        headers.append((b"retry-after", f"{rule.retry_after:g}".encode()))
    await send({"type": "http.response.start", "status": rule.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _hang_up(receive: Receive, send: Send) -> None:
    """Close the connection without an answer. ASGI has no word for it, so this reaches for uvicorn's transport."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:  # another server: promise a body, send none, and it has to close the connection
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
        return
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass


def _half(send: Send) -> Send:
    """Passes on the head and half of the first part of the body; the server then closes a connection that is owed the rest."""
    cut = False

    async def passed(message: Message) -> None:
        nonlocal cut
        if message["type"] == "http.response.start":
            await send(message)
        elif not cut:
            cut = True
            body = message.get("body", b"")
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})

    return passed
