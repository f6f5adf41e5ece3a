"""How far a desk has been looked through, so that the next look misses nothing and takes nothing twice.

A look ends some minutes before the newest change that it saw, and names the tickets that changed after that with their revisions:
a change that was made while the desk's pages were read, or that a desk of several machines showed late, is found by the next one.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import StorageError
from observability.records import Moment, now
from servicedesk.desk import DeskState
from servicedesk.http import HttpDesk

OVERLAP = timedelta(minutes=10)
"""How far a look goes back behind the newest change that the one before saw."""


class Look(BaseModel):
    """Everything at the desk `source` that changed before `until` was seen, and of what changed since these revisions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    until: Moment | None = None
    seen: dict[str, str] = {}


@dataclass
class Looking:
    """One look at a desk: iterate over `fresh`, then keep `next`."""

    look: Look
    _changed: dict[str, tuple[str, datetime | None]] = field(default_factory=dict)
    _began: datetime = field(default_factory=now)

    def fresh(self, desk: HttpDesk) -> Iterator[DeskState]:
        """The tickets that changed since the last look, in order of creation."""
        self._changed.clear()
        self._began = now()
        for state in desk.updated_since(self.look.until):
            ticket = state.ticket
            self._changed[ticket.id] = ticket.revision, state.updated
            if self.look.seen.get(ticket.id) != ticket.revision:
                yield state

    @property
    def next(self) -> Look:
        """Where the next look begins. It never begins after this one did, by our clock, nor before this one's own beginning."""
        known = [updated for _, updated in self._changed.values() if updated is not None]
        if not known:
            return self.look
        until = min(max(known), self._began) - OVERLAP
        until = max(until, self.look.until) if self.look.until else until
        late = {i: revision for i, (revision, updated) in self._changed.items() if updated is None or updated >= until}
        return Look(source=self.look.source, until=until, seen=late)


def read_look(path: Path, source: str, since: datetime | None) -> Look:
    """The look that `keep_look` left at `path`; where there is none, or it was at another desk, one that begins at `since`.

    Raises:
        StorageError: the file can't be read.
    """
    try:
        kept = Look.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Look(source=source, until=since)
    except (OSError, ValidationError) as error:
        remedy = "Delete it: the desk is then looked through again from the first run on, and nothing is taken twice."
        raise StorageError(f"{path} can't be read.", remedy=remedy) from error
    return kept if kept.source == source else Look(source=source, until=since)


def keep_look(path: Path, look: Look) -> None:
    """Keep it whole or not at all. Raises StorageError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("w", encoding="utf-8") as file:
            json.dump(look.model_dump(mode="json"), file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        remedy = "Free some space or check the permissions, then run again."
        raise StorageError(f"{path} can't be written: {error.strerror or error}.", remedy=remedy) from error
    finally:
        draft.unlink(missing_ok=True)
