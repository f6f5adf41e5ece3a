"""Journals to ship, and reading back from a Loki what it has of them."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from observability.journal import Journal
from observability.records import DecisionRecord, Record, WritebackRecord, now
from tests.observability.journal_examples import Example

example = Example()
SHORT = example.record().model_copy(update={"neighbours": (), "opinions": {}, "thresholds": {}})
MOST = 5000
"""Entries that Loki gives at a time."""


def decision(number: int, at: datetime, **changes: object) -> DecisionRecord:
    return SHORT.model_copy(update={"ticket_id": f"T-{number}", "at": at, **changes})


def written(number: int, at: datetime) -> WritebackRecord:
    return WritebackRecord(run="run-1", at=at, ticket_id=f"T-{number}", revision="r1", state="written", decision="ab" * 32)


def nights(size: int, *, ages: Sequence[timedelta]) -> Iterator[list[Record]]:
    """`size` records and a start for each night, half of them decisions, as appended: each night takes two hours, `ages` ago."""
    each = size // 2 // len(ages)
    for night, age in enumerate(ages):
        start = now() - age
        yield [example.started(f"night-{night}").model_copy(update={"at": start})]
        for first in range(0, each, 100):
            numbers = range(night * each + first, night * each + min(each, first + 100))
            moments = [start + timedelta(hours=2) * (first / each) + timedelta(microseconds=number) for number in numbers]
            decided = [decision(number, at) for number, at in zip(numbers, moments, strict=True)]
            yield [*decided, *(written(number, at) for number, at in zip(numbers, moments, strict=True))]


def fill(path: Path, appended: Iterable[Sequence[Record]]) -> int:
    """Make the journal; how many records it has."""
    with Journal(path) as journal:
        for records in appended:
            journal.append(records)
        return journal.newest()


def stored(url: str, journal: str) -> list[dict[str, Any]]:
    """Every entry of a journal that Loki has, each as often as it is stored: its line parsed, `_at` and `_labels` added."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    with httpx.Client(base_url=url, timeout=60) as http:
        for kind in ("run_started", "decision", "writeback", "human_verdict", "review_note", "run_finished", "later_change"):
            _read(http, f'{{app="tamiz", journal="{journal}", kind="{kind}"}}', found)
    return list(found.values())


def _read(http: httpx.Client, query: str, found: dict[tuple[str, str, str], dict[str, Any]]) -> None:
    moment = now()
    start = str(int((moment - timedelta(days=8)).timestamp()) * 10**9)
    end = str(int((moment + timedelta(hours=1)).timestamp()) * 10**9)
    while True:
        asked = {"query": query, "start": start, "end": end, "limit": str(MOST), "direction": "forward"}
        answer = http.get("/loki/api/v1/query_range", params=asked)
        assert answer.status_code == 200, answer.text
        page = [(one["stream"], at, line) for one in answer.json()["data"]["result"] for at, line in one["values"]]
        for labels, at, line in page:
            found[labels["kind"] + labels["state"], at, line] = {**json.loads(line), "_at": int(at), "_labels": labels}
        if len(page) < MOST:
            return
        start = max(at for _, at, _ in page)  # again, since others may have the same


def times(entries: Iterable[dict[str, Any]]) -> Counter[int]:
    """How often each record is stored, by its place in the journal."""
    return Counter(one["seq"] for one in entries)
