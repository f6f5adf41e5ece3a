"""What happened to a ticket at the desk: its audit trail, line by line, and what people wrote under it."""

from dataclasses import dataclass
from datetime import datetime

MARKED = "property:tamiz"
"""The field of the line that the marker of our own write leaves in the trail."""


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a ticket's audit trail. `revision` is the one that the change made; `old` and `new` are as the desk has them.

    `field` is the plain name of a field (`category`, `assignee`), or one of `status`, `created`, `comment` and whatever else
    the desk notes. Names of people stand in `actor`, and in `old` and `new` of a field that holds a person.
    """

    revision: str
    at: datetime
    actor: str
    field: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Comment:
    """One comment. `public`: whoever opened the ticket reads it too."""

    at: datetime
    author: str
    body: str
    public: bool = False
