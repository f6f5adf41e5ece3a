"""What goes over the wire to the mock service desk, and the form in which it keeps a ticket."""

import json
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

MAX_PROPERTY = 32_768
"""Bytes of one property as JSON."""
MAX_ATTACHMENT = 1_048_576
"""Bytes of one attachment."""

TicketId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,200}$")]
Key = Annotated[str, Field(min_length=1, max_length=200)]
Property = dict[str, JsonValue]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _text(cls, value: Property) -> Property:
        """JSON can write half of a surrogate pair; a file can't keep it."""
        json.dumps(value, ensure_ascii=False, allow_nan=False, default=str).encode()
        return value


class NewTicket(_Wire):
    """A ticket to create; without an id it gets the next `T-<number>`."""

    id: TicketId | None = None
    subject: str = ""
    description: str = ""
    channel: str = ""
    mailbox: str = ""
    language: str = ""
    status: str = "open"
    created: datetime | None = None
    fields: dict[str, str] = {}


class SeedTicket(NewTicket):
    """One line of a tickets file; keys that a desk does not know (gold labels, notes) are left out."""

    model_config = ConfigDict(extra="ignore")

    id: TicketId


class NewComment(_Wire):
    """A comment, internal unless said otherwise. The same key again gives the first comment back and adds none."""

    body: str = Field(min_length=1)
    public: bool = False
    idempotency_key: Key | None = None


class Patch(_Wire):
    """A change of one ticket, all of it or nothing. `revision` (or If-Match) is the revision it was decided on.

    A field given as null is emptied. The same idempotency key again gives the first answer back and changes nothing.
    """

    revision: int | None = None
    subject: str | None = None
    description: str | None = None
    status: str | None = None
    fields: dict[str, str | None] = {}
    comment: str = ""
    public: bool = False
    properties: dict[Key, Property] = {}
    idempotency_key: Key | None = None

    @field_validator("properties")
    @classmethod
    def _small(cls, properties: dict[str, Property]) -> dict[str, Property]:
        for name, value in properties.items():
            check_size(name, value)
        return properties


class NewWebhook(_Wire):
    """Where to POST ticket events. Only loopback addresses are taken. Without a secret the desk makes one."""

    url: str = Field(max_length=2000)
    secret: str = Field(default="", max_length=200)


class TicketDocument(BaseModel):
    """A ticket as the desk keeps and shows it. `property_revisions` has the revision at which each property was last set."""

    id: str
    revision: int = 1
    status: str = "open"
    subject: str = ""
    description: str = ""
    channel: str = ""
    mailbox: str = ""
    language: str = ""
    fields: dict[str, str] = {}
    properties: dict[str, Property] = {}
    property_revisions: dict[str, int] = {}
    created: str = ""
    updated: str = ""


def check_size(name: str, value: Property) -> None:
    """Raises ValueError where a property is larger than MAX_PROPERTY or is no text."""
    size = len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())
    if size > MAX_PROPERTY:
        raise ValueError(f"property {name!r} has {size} bytes; {MAX_PROPERTY} are allowed")
