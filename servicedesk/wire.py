"""Tickets as a desk sends them over HTTP, read into our own nouns."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from core.errors import RowError
from core.ticket import Ticket
from core.trail import Change, Comment
from servicedesk.desk import DeskState

MARKER = "tamiz"
"""Name of the ticket property that holds the marker of our last writeback."""


def _plain(value: object) -> object:
    """Desks give numbers where text is meant, null where there is nothing, and half an emoji where they cut a text short."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "" if value is None else str(value) if isinstance(value, int | float) else value


def _in_utc(moment: datetime) -> datetime:
    """A moment without a zone is read as UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_Moment = Annotated[datetime, AfterValidator(_in_utc)]
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
    updated: Annotated[_Moment | None, BeforeValidator(lambda given: given or None)] = None
    fields: dict[str, _Text] = {}
    properties: dict[str, Any] = {}
    property_revisions: dict[str, _Text] = {}

    def state(self) -> DeskState:
        """As the rest of the product reads it."""
        fields = {name: value for name, value in self.fields.items() if value.strip()}
        held = self.properties.get(MARKER)
        marker = {str(key): str(value) for key, value in held.items()} if isinstance(held, dict) else None
        settled = marker is not None and self.property_revisions.get(MARKER) == self.revision
        return DeskState(self._ticket(fields), self.status, fields, marker, settled, self.updated)

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


class WireChange(BaseModel):
    """One line of the audit trail as the desk sends it; a custom field's name stands after `field:`."""

    revision: _Name
    at: _Moment
    actor: _Text = ""
    field: _Name
    old: _Text = ""
    new: _Text = ""

    def change(self) -> Change:
        """As the rest of the product reads it."""
        return Change(self.revision, self.at, self.actor, self.field.removeprefix("field:"), self.old, self.new)


class WireTrail(BaseModel):
    """A ticket's whole audit trail, oldest first."""

    history: list[WireChange]


class WireComment(BaseModel):
    """A comment as the desk sends it."""

    at: _Moment
    author: _Text = ""
    body: _Text = ""
    public: bool = False

    def comment(self) -> Comment:
        """As the rest of the product reads it."""
        return Comment(self.at, self.author, self.body, self.public)


class WireComments(BaseModel):
    """A ticket's comments, oldest first."""

    comments: list[WireComment]


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
