"""A stand-in for Grafana Loki: its push API with its default limits and its refusals, and enough of queries to read back.

POST /loki/api/v1/push   GET /loki/api/v1/query_range   GET /loki/api/v1/labels   GET /ready

As with Loki, the good entries of a request with bad ones are stored all the same, a request over the ingestion rate stores
nothing, and an entry with the same stream, nanosecond and line is stored once.
"""

import gzip
import json
import re
import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictStr, ValidationError
from starlette.types import ASGIApp

from mocks.app import build
from mocks.faults import Faults
from mocks.loki_store import DATABASE, NANOSECONDS, Entry, Labels, LokiStore, Selector, rfc3339

__all__ = ["DATABASE", "Limits", "create_loki"]

NO_FAULTS = Faults()
MOST_QUERIED = 5000
USER = "fake"
"""Loki's own name for who pushes where it does not tell tenants apart."""
_MATCHER = re.compile(r'\s*(\w+)\s*(=~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*,?')
_FILTER = re.compile(r'\s*(\|=|!=)\s*"((?:[^"\\]|\\.)*)"')


class Limits(BaseModel):
    """Loki's defaults: sizes in bytes, rates in bytes a second, spans in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: int = 256 * 1024
    metadata: int = 64 * 1024
    metadata_count: int = 128
    labels: int = 15
    label_name: int = 1024
    label_value: int = 2048
    rate: int = 4 * 2**20
    burst: int = 6 * 2**20
    oldest: int = 7 * 24 * 3600
    ahead: int = 10 * 60
    behind: int = 3600
    body: int = 100 * 2**20


class _Stream(BaseModel):
    stream: dict[str, StrictStr]
    values: list[tuple[StrictStr, StrictStr] | tuple[StrictStr, StrictStr, dict[str, StrictStr]]]


class _Push(BaseModel):
    streams: list[_Stream] = Field(default=[])


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Loki:
    """Takes pushes by the limits; `clock` gives nanoseconds since 1970."""

    def __init__(self, store: LokiStore, limits: Limits, clock: Callable[[], int] = time.time_ns) -> None:
        self.store = store
        self._limits = limits
        self._clock = clock
        self._allowance = float(limits.burst)
        self._seen = clock()

    def push(self, body: bytes, encoding: str) -> None:
        """Store what may be stored. Raises _Refused where anything was not."""
        pushed = _parsed(body, encoding, self._limits.body)
        if not pushed.streams:
            raise _Refused(422, "error at least one valid stream is required for ingestion")
        errors: list[str] = []
        good = [(one.stream, self._valid(one, errors)) for one in pushed.streams]
        self._take([len(line.encode()) + _size(metadata) for _, entries in good for _, line, metadata in entries])
        late = self.store.add(good, self._limits.behind)
        if errors := errors + late:
            raise _Refused(400, _grouped(errors))

    def _valid(self, one: _Stream, errors: list[str]) -> list[Entry]:
        name = shown(one.stream)
        if problem := self._labels_problem(one.stream, name):
            errors.append(problem)
            return []
        good: list[Entry] = []
        for value in one.values:
            at, line, metadata = int(value[0]), value[1], value[2] if len(value) == 3 else {}
            if problem := self._entry_problem(name, at, line, metadata):
                errors.append(problem)
            else:
                good.append((at, line, metadata))
        return good

    def _labels_problem(self, labels: Labels, name: str) -> str:
        if not labels:
            return "error at least one label pair is required per stream"
        if len(labels) > self._limits.labels:
            return f"entry for stream '{name}' has {len(labels)} label names; limit {self._limits.labels}"
        for label, value in labels.items():
            if not re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", label):
                return f"Error parsing labels '{name}' with error: parse error : unexpected {label}"
            if len(label) > self._limits.label_name:
                return f"stream '{name}' has label name too long: '{label}'"
            if len(value.encode()) > self._limits.label_value:
                return f"stream '{name}' has label value too long: '{value}'"
        return ""

    def _entry_problem(self, name: str, at: int, line: str, metadata: Labels) -> str:
        now, limits = self._clock(), self._limits
        oldest = now - limits.oldest * NANOSECONDS
        if at < oldest:
            accepted = f"oldest acceptable timestamp is: {rfc3339(oldest)}"
            return f"entry for stream '{name}' has timestamp too old: {rfc3339(at)}, {accepted}"
        if at > now + limits.ahead * NANOSECONDS:
            return f"entry for stream '{name}' has timestamp too new: {rfc3339(at)}"
        if (size := len(line.encode())) > limits.line:
            adding = f"while adding an entry with length '{size}' bytes"
            return f"Max entry size '{limits.line}' bytes exceeded for stream '{name}' {adding}"
        if (size := _size(metadata)) > limits.metadata:
            return f"stream '{name}' has structured metadata too large: '{size}' bytes, limit: '{limits.metadata}' bytes."
        if len(metadata) > limits.metadata_count:
            return (
                f"stream '{name}' has too many structured metadata labels: '{len(metadata)}', limit: '{limits.metadata_count}'."
            )
        return ""

    def _take(self, sizes: list[int]) -> None:
        """The ingestion rate, as a bucket that fills up to the burst: what does not fit whole stores nothing."""
        now, limits = self._clock(), self._limits
        self._allowance = min(limits.burst, self._allowance + (now - self._seen) / NANOSECONDS * limits.rate)
        self._seen = now
        if (total := sum(sizes)) > self._allowance:
            raise _Refused(
                429,
                f"Ingestion rate limit exceeded for user {USER} (limit: {limits.rate} bytes/sec) while attempting to ingest"
                f" '{len(sizes)}' lines totaling '{total}' bytes, reduce log volume or contact your Loki administrator to see"
                " if the limit can be increased",
            )
        self._allowance -= total


def shown(labels: Labels) -> str:
    """Labels as Loki writes them."""
    return "{" + ", ".join(f"{name}={json.dumps(value)}" for name, value in sorted(labels.items())) + "}"


def _parsed(body: bytes, encoding: str, most: int) -> _Push:
    try:
        if encoding == "gzip":
            body = gzip.decompress(body)
        elif encoding:
            raise _Refused(400, f'Content-Encoding "{encoding}" not supported')
        if len(body) > most:
            raise _Refused(413, f"request body too large: {len(body)} bytes, limit: {most} bytes")
        pushed = _Push.model_validate_json(body)
        for one in pushed.streams:
            for value in one.values:
                int(value[0])
    except (OSError, EOFError, zlib.error, ValueError, ValidationError) as error:
        said = str(error).splitlines()
        raise _Refused(400, f"loghttp.PushRequest: {said[0] if said else 'unreadable'}") from error
    return pushed


def _grouped(errors: list[str]) -> str:
    counts = {message: errors.count(message) for message in dict.fromkeys(errors)}
    return "; ".join(message if count == 1 else f"{count} errors like: {message}" for message, count in counts.items())


def _size(metadata: Labels) -> int:
    return sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())


def _selector(query: str) -> Selector:
    """`{name="value", ...} |= "text"`: all of LogQL that is understood here."""
    head, brace, tail = query.strip().partition("}")
    matchers, filters = _MATCHER.findall(head), _FILTER.findall(tail)
    if (
        not head.startswith("{")
        or not brace
        or not matchers
        or _MATCHER.sub("", head[1:]).strip()
        or _FILTER.sub("", tail).strip()
    ):
        raise _Refused(400, f'parse error : this stand-in understands only {{a="b"}} |= "c", not {query}')
    return Selector(
        [(name, how, json.loads(f'"{value}"')) for name, how, value in matchers],
        [(how == "|=", json.loads(f'"{text}"')) for how, text in filters],
    )


def _moment(given: str, default: int) -> int:
    """Nanoseconds of a parameter: nanoseconds, or seconds with or without a fraction."""
    if not given:
        return default
    try:
        return int(given) if given.isdigit() and len(given) > 10 else int(float(given) * NANOSECONDS)
    except ValueError as error:
        raise _Refused(400, f'could not parse "{given}" to a valid timestamp') from error


def create_loki(
    state: Path,
    *,
    faults: Faults = NO_FAULTS,
    token: str = "",
    limits: Limits | None = None,
    clock: Callable[[], int] = time.time_ns,
) -> ASGIApp:
    """The stand-in with its entries in the folder `state`. Raises StorageError."""
    loki = Loki(LokiStore(state), limits or Limits(), clock)
    return build("Mock Loki", [router], {"loki": loki}, faults=faults, token=token)


@asynccontextmanager
async def _running(app: FastAPI) -> AsyncIterator[None]:
    yield
    loki: Loki = app.state.loki
    loki.store.close()


async def _loki(request: Request) -> Loki:
    loki: Loki = request.app.state.loki
    return loki


Here = Annotated[Loki, Depends(_loki)]

router = APIRouter(lifespan=_running)


@router.get("/ready")
async def ready() -> Response:
    """Whether it takes logs."""
    return Response("ready\n", media_type="text/plain")


@router.post("/loki/api/v1/push")
async def push(loki: Here, request: Request) -> Response:
    """Take log lines: 204, or why not as plain text."""
    try:
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise _Refused(400, "this stand-in reads application/json only")
        loki.push(await request.body(), request.headers.get("content-encoding", ""))
    except _Refused as refused:
        return Response(f"{refused}\n", refused.status, media_type="text/plain")
    return Response(status_code=204)


@router.get("/loki/api/v1/labels")
async def labels(loki: Here) -> dict[str, object]:
    """The names of all labels."""
    return {"status": "success", "data": loki.store.label_names()}


@router.get("/loki/api/v1/query_range")
async def query_range(
    loki: Here, query: str, start: str = "", end: str = "", limit: int = 100, direction: str = "backward"
) -> Response:
    """Entries from `start` to before `end` whose labels and line match, newest first unless `direction` is forward."""
    now = time.time_ns()
    try:
        if limit > MOST_QUERIED:
            said = f"max entries limit per query exceeded, limit > max_entries_limit_per_query ({limit} > {MOST_QUERIED})"
            raise _Refused(400, said)
        begin, until = _moment(start, now - 3600 * NANOSECONDS), _moment(end, now)
        found = loki.store.query(_selector(query), begin, until, limit, forward=direction == "forward")
    except _Refused as refused:
        return Response(f"{refused}\n", refused.status, media_type="text/plain")
    body = {"status": "success", "data": {"resultType": "streams", "result": found, "stats": {}}}
    return Response(json.dumps(body, ensure_ascii=False), media_type="application/json")
