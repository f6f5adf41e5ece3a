"""The resolution systems behind `api|<system>`: deterministic, idempotent, with a log of calls on disk.

POST /systems/{name}/actions  {"action": "unlock", "ticket": "T-1", "parameters": {...}}   Idempotency-Key: ...
GET  /systems                 GET /systems/{name}/calls                                   GET /health
"""

import hashlib
import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.types import ASGIApp

from mocks.app import Answer, Refused, build
from mocks.database import clear, now, open_database, transaction
from mocks.faults import Faults

DATABASE = "systems.sqlite"
NO_FAULTS = Faults()
_REJECTED_OF_256 = 16
_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    number INTEGER PRIMARY KEY AUTOINCREMENT, system TEXT NOT NULL, key TEXT, digest TEXT NOT NULL, at TEXT NOT NULL,
    request TEXT NOT NULL, result TEXT NOT NULL, replayed INTEGER NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS calls_key ON calls(system, key) WHERE key IS NOT NULL AND replayed = 0;
"""


class Action(BaseModel):
    """What a system is asked to do."""

    model_config = ConfigDict(extra="forbid")

    action: str = Field(min_length=1, max_length=200)
    ticket: str = Field(default="", max_length=200)
    parameters: dict[str, JsonValue] = {}

    def canonical(self) -> str:
        """The same text for the same request, whatever the order of its keys."""
        return json.dumps(self.model_dump(), sort_keys=True, ensure_ascii=False)


class SystemsStore:
    """The named systems and their log of calls in `folder`/systems.sqlite."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._db: sqlite3.Connection = open_database(folder / DATABASE, _SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def clear(self) -> None:
        """Forget every call."""
        clear(self._db)

    def known(self, name: str) -> str:
        """The name itself, where it is one of the systems."""
        if name not in self.names:
            remedy = f"Use one of: {', '.join(self.names) or 'none is configured'}."
            raise Refused(404, "no_system", f"There is no system {name}.", remedy=remedy)
        return name

    def act(self, name: str, action: Action, key: str | None) -> Answer:
        """Carry an action out; under a key that was seen, give the first result again and do nothing."""
        request = action.canonical()
        digest = hashlib.sha256(f"{self.known(name)}\n{request}".encode()).hexdigest()
        with transaction(self._db):
            first = self._first(name, key, digest)
            result = first or json.dumps(outcome(name, action, digest))
            row = (name, key, digest, now(), request, result, first is not None)
            self._db.execute(
                "INSERT INTO calls (system, key, digest, at, request, result, replayed) VALUES (?, ?, ?, ?, ?, ?, ?)", row
            )
        return Answer(result, replayed=first is not None)

    def calls(self, name: str) -> Answer:
        """Every call of a system, oldest first; `replayed` calls were not carried out again."""
        query = "SELECT number, at, key, replayed, request, result FROM calls WHERE system = ? ORDER BY number"
        rows = self._db.execute(query, (self.known(name),))
        return Answer(json.dumps({"calls": [_call(*row) for row in rows]}))

    def _first(self, name: str, key: str | None, digest: str) -> str | None:
        query = "SELECT digest, result FROM calls WHERE system = ? AND key = ? AND replayed = 0"
        row = self._db.execute(query, (name, key)).fetchone() if key else None
        if row and row[0] != digest:
            message = "This idempotency key was used for another request."
            raise Refused(422, "key_reused", message, remedy="Use a new key for a new request.")
        return str(row[1]) if row else None


def _call(number: int, at: str, key: str | None, replayed: int, request: str, result: str) -> dict[str, JsonValue]:
    return {
        "number": number,
        "at": at,
        "key": key,
        "replayed": bool(replayed),
        "request": json.loads(request),
        "result": json.loads(result),
    }


def outcome(name: str, action: Action, digest: str) -> dict[str, str]:
    """What a system answers: a function of the request alone; about one request in sixteen is rejected."""
    done = int(digest[:2], 16) >= _REJECTED_OF_256
    status = "done" if done else "rejected"
    reference = f"{name[:3].upper()}-{digest[2:10].upper()}"
    said = f"{action.action}: done." if done else f"{action.action}: the system's rules do not allow it for this request."
    return {"system": name, "action": action.action, "status": status, "reference": reference, "message": said}


def create_systems(state: Path, *, names: Sequence[str], faults: Faults = NO_FAULTS, token: str = "") -> ASGIApp:
    """The resolution systems `names` with their state in the folder `state`. Raises StorageError."""
    return build("Mock systems", [router], {"systems": SystemsStore(state, names)}, faults=faults, token=token)


@asynccontextmanager
async def _running(app: FastAPI) -> AsyncIterator[None]:
    yield
    store: SystemsStore = app.state.systems
    store.close()


async def _systems(request: Request) -> SystemsStore:
    store: SystemsStore = request.app.state.systems
    return store


Systems = Annotated[SystemsStore, Depends(_systems)]

router = APIRouter(lifespan=_running)


@router.get("/systems")
async def list_systems(systems: Systems) -> dict[str, tuple[str, ...]]:
    """The names that an action may be sent to."""
    return {"systems": systems.names}


@router.post("/systems/{name}/actions")
async def act(systems: Systems, name: str, action: Action, idempotency_key: Annotated[str | None, Header()] = None) -> Response:
    """Carry an action out: `{"system", "action", "status": "done" | "rejected", "reference", "message"}`."""
    return systems.act(name, action, idempotency_key).response()


@router.get("/systems/{name}/calls")
async def calls(systems: Systems, name: str) -> Response:
    """The log of calls."""
    return systems.calls(name).response()
