"""From the rows of a table to the nouns: open tickets, and resolved ones as the knowledge base takes them in."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from core.errors import RowError
from core.ticket import Ticket
from servicedesk.columns import LABEL_FIELDS
from servicedesk.grid import Row, Table


@dataclass(frozen=True, slots=True)
class ResolvedRow:
    """A resolved ticket as its row has it: nothing cleaned, no label made canonical yet.

    `ticket.labels` are raw texts; `resolved_at` is ISO 8601 in UTC or ""; `source_id` is the id column's, else told by the text.
    """

    number: int
    ticket: Ticket
    resolution: str
    resolved_at: str
    source_id: str
    language: str = ""


def to_tickets(table: Table) -> tuple[dict[int, Ticket], list[RowError]]:
    """Tickets by row number, in the table's order; a row whose id came before is a problem.

    A row without an id gets one from its text: `row-<digest>`, then `row-<digest>-2` where the same text comes again.
    """
    tickets: dict[int, Ticket] = {}
    problems: list[RowError] = []
    ids = _Ids(table, repeated_is_new=True)
    for row in table.rows:
        try:
            tickets[row.number] = _ticket(row, ids.of(row), table.asked)
        except RowError as problem:
            problems.append(problem)
    return tickets, problems


def to_resolved(table: Table) -> tuple[list[ResolvedRow], list[RowError]]:
    """Resolved tickets in the table's order; a row whose id came before is a problem.

    Without an id, rows that are equal in every field share a `source_id` (they are one ticket); rows with the same text but
    another label or resolution do not, since they contradict each other and both must be kept.
    """
    resolved: list[ResolvedRow] = []
    problems: list[RowError] = []
    ids = _Ids(table, repeated_is_new=False)
    for row in table.rows:
        try:
            resolved.append(_resolved(row, ids.of(row), table.asked))
        except RowError as problem:
            problems.append(problem)
    return resolved, problems


def _resolved(row: Row, source_id: str, asked: tuple[str, ...]) -> ResolvedRow:
    get = row.values.get
    ticket = _ticket(row, source_id, asked)
    return ResolvedRow(row.number, ticket, get("resolution", ""), get("resolved_at", ""), source_id, get("language", ""))


def _ticket(row: Row, ticket_id: str, asked: tuple[str, ...]) -> Ticket:
    get = row.values.get
    created = get("created", "")
    return Ticket(
        id=ticket_id,
        subject=get("subject", ""),
        body=get("body", ""),
        revision=get("revision", ""),
        mailbox=get("mailbox", ""),
        created=datetime.fromisoformat(created) if created else None,
        labels={name: text for name in _label_names(asked) if (text := get(name, ""))},
    )


def _label_names(asked: tuple[str, ...]) -> Iterator[str]:
    yield from LABEL_FIELDS
    yield from (name for name in asked if name not in LABEL_FIELDS)


class _Ids:
    """Gives each row its id: its own, or one from its text; refuses its own where it came before."""

    def __init__(self, table: Table, *, repeated_is_new: bool) -> None:
        self._header = table.columns.get("id", "id")
        self._repeated_is_new = repeated_is_new
        self._first: dict[str, int] = {}
        self._same_text: dict[str, list[str]] = {}

    def of(self, row: Row) -> str:
        own = row.values.get("id", "")
        if not own:
            return self._from_text(row)
        first = self._first.setdefault(own, row.number)
        if first != row.number:
            raise RowError(
                f"Row {row.number}, column {self._header!r} has {own[:80]!r}, as row {first} has.",
                row=row.number,
                field=self._header,
                remedy="Give each ticket an id of its own, or remove the row.",
            )
        return own

    def _from_text(self, row: Row) -> str:
        digest = _digest(row.values.get("subject", ""), row.values.get("body", ""))
        others = self._same_text.setdefault(digest, [])
        content = _digest(*(part for item in sorted(row.values.items()) for part in item))
        if self._repeated_is_new or content not in others:
            others.append(content)
        place = len(others) if self._repeated_is_new else others.index(content) + 1
        return f"row-{digest}" if place == 1 else f"row-{digest}-{place}"


def _digest(*parts: str) -> str:
    joined = "\0".join(parts)
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()[:20]
