"""Tickets as a desk sends them over HTTP, read into our own nouns."""

import json
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from core.errors import RowError
from core.ticket import Ticket
from servicedesk.desk import DeskState

MARKER = "tamiz"
"""Name of the ticket property that holds the marker of our last writeback."""


def _plain(value: object) -> object:
    """Desks give numbers where text is meant, null where there is nothing, and half an emoji where they cut a text short."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "" if value is None else str(value) if isinstance(value, int | float) else value


_Text = Annotated[str, BeforeValidator(_plain)]
_Name = Annotated[str, BeforeValidator(_plain), Field(min_length=1)]


class WireTicket(BaseModel):
    """A ticket as the desk sends it; keys that are not listed are not needed."""

    id: _Name
    revision: _Name
    status: _Text = ""
    subject: _Text = ""
    description: _Text = ""
    mailbox: _Text = ""
    created: datetime | None = None
    fields: dict[str, _Text] = {}
    properties: dict[str, Any] = {}
    property_revisions: dict[str, _Text] = {}

    def state(self) -> DeskState:
        """As the rest of the product reads it."""
        fields = {name: value for name, value in self.fields.items() if value.strip()}
        held = self.properties.get(MARKER)
        marker = {str(key): str(value) for key, value in held.items()} if isinstance(held, dict) else None
        settled = marker is not None and self.property_revisions.get(MARKER) == self.revision
        return DeskState(self._ticket(fields), self.status, fields, marker, settled)

    def _ticket(self, fields: dict[str, str]) -> Ticket:
        return Ticket(
            id=self.id,
            subject=self.subject,
            body=self.description,
            revision=self.revision,
            mailbox=self.mailbox,
            created=self.created,
            labels=fields,
        )


class WirePage(BaseModel):
    """One page of a listing: the tickets, not looked into yet, and the cursor of the next page."""

    tickets: list[Any]
    next: str | None = None


def decoded(content: bytes) -> object:
    """JSON as Python values. Raises ValueError where it is none."""
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def problem(error: ValidationError, row: int) -> RowError:
    """Why the ticket at place `row` of a listing can't be read."""
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"])) or "ticket"
    remedy = "Correct the ticket at the desk, then run again."
    return RowError(f"Ticket {row} of the listing, {field}: {first['msg']}.", row=row, field=field, remedy=remedy)
