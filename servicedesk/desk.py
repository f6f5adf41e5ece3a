"""What any service desk adapter gives back: a ticket's state at the desk, and what became of a writeback."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from core.ticket import Ticket


@dataclass(frozen=True, slots=True)
class DeskState:
    """A ticket as it stands at the desk.

    `fields` are the custom fields that hold something. `marker` is what the last writeback left there, with the `revision`
    it was decided on; None where there was none. `settled`: nothing has changed since that writeback. `updated`: when it last
    changed, by the desk's clock; None where the desk does not say.
    """

    ticket: Ticket
    status: str
    fields: Mapping[str, str]
    marker: Mapping[str, str] | None
    settled: bool = False
    updated: datetime | None = None


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What became of a writeback.

    `revision` is the desk's current one; `written` is False where the same writeback was there already. `skipped` are the
    fields left alone because they held something else, with what they hold.
    """

    revision: str
    written: bool
    skipped: Mapping[str, str] = field(default_factory=dict)
