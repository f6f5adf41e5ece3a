"""Which exemplars each ticket's latest decision rested on, read from the journal page by page with only what that needs.

A decision's body holds much more than its evidence: the database takes that out, so that 100,000 decisions are read in seconds.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from pydantic_core import from_json

from observability.records import Record

Parse: TypeAlias = Callable[[int, str], Record]
"""Reads the record of (seq, body)."""
PAGE = 500
"""Decisions read at a time."""
_LIVE = "run IN (SELECT run FROM records WHERE kind = 'run_started' AND state = 'live')"
_DECISIONS = f"""
SELECT seq, at, ticket_id, state, json_extract(body, '$.fusion', '$.written', '$.neighbours')
FROM records r INDEXED BY records_kind
WHERE kind = 'decision' AND seq > :after AND {_LIVE} AND seq = (
    SELECT max(seq) FROM records INDEXED BY records_ticket
    WHERE ticket_id = r.ticket_id AND kind = 'decision' AND {_LIVE})
ORDER BY seq LIMIT {PAGE}"""  # noqa: S608 - no value is put into it
_WORDS = """
SELECT seq, ticket_id, body FROM records INDEXED BY records_ticket
WHERE ticket_id IN (SELECT value FROM json_each(:ids)) AND kind IN ('human_verdict', 'review_note', 'later_change')
ORDER BY seq"""


@dataclass(frozen=True, slots=True)
class Shown:
    """A ticket's latest live decision: its label and evidence by field, and the labels that each neighbour had then.

    `written` are the fields that were filled in; `history` is what people said and did since, oldest first.
    """

    ticket_id: str
    at: datetime
    accepted: bool
    written: frozenset[str]
    labels: Mapping[str, str]
    evidence: Mapping[str, Sequence[str]]
    neighbours: Mapping[str, Mapping[str, str]]
    history: Sequence[Record]


def shown(db: sqlite3.Connection, parse: Parse) -> Iterator[Shown]:
    """Each ticket's latest decision, the oldest first; between pages nothing is held open."""
    after = 0
    while rows := db.execute(_DECISIONS, {"after": after}).fetchall():
        said = _said(db, [ticket for _, _, ticket, _, _ in rows], parse)
        for _, at, ticket, state, parts in rows:
            fusion, written, neighbours = from_json(parts)
            yield Shown(
                ticket_id=ticket,
                at=datetime.fromisoformat(at),
                accepted=state == "accepted",
                written=frozenset(written),
                labels={name: fused["label"] for name, fused in fusion.items()},
                evidence={name: fused["evidence"] for name, fused in fusion.items()},
                neighbours={one["exemplar"]: one["labels"] for one in neighbours},
                history=said.get(ticket, ()),
            )
        after = rows[-1][0]


def _said(db: sqlite3.Connection, tickets: Sequence[str], parse: Parse) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for seq, ticket, body in db.execute(_WORDS, {"ids": json.dumps(tickets)}).fetchall():
        found.setdefault(ticket, []).append(parse(seq, body))
    return found
