"""The mock Loki's entries: one SQLite file, each (stream, nanosecond, line) once."""

import hashlib
import json
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from mocks.database import clear, open_database, transaction

Labels: TypeAlias = Mapping[str, str]
Entry: TypeAlias = tuple[int, str, Labels]
"""Nanoseconds, line, structured metadata."""
DATABASE = "loki.sqlite"
NANOSECONDS = 1_000_000_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS streams (id INTEGER PRIMARY KEY, labels TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS entries (
    stream INTEGER NOT NULL, at INTEGER NOT NULL, digest BLOB NOT NULL, line TEXT NOT NULL, metadata TEXT NOT NULL,
    PRIMARY KEY (stream, at, digest));
"""
_INSERT = "INSERT OR IGNORE INTO entries VALUES (?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Selector:
    """What a query asks of labels, as (name, = or != or =~, value), and of a line, as (has to contain it, text)."""

    matchers: Sequence[tuple[str, str, str]]
    filters: Sequence[tuple[bool, str]]

    def wants(self, labels: Labels) -> bool:
        """Whether a stream matches."""
        return all(_matches(labels.get(name, ""), how, value) for name, how, value in self.matchers)

    def takes(self, line: str) -> bool:
        """Whether a line matches."""
        return all((text in line) == wanted for wanted, text in self.filters)


def _matches(value: str, how: str, wanted: str) -> bool:
    if how == "=~":
        return re.fullmatch(wanted, value) is not None
    return (value == wanted) == (how == "=")


class LokiStore:
    """The entries in `folder`/loki.sqlite."""

    def __init__(self, folder: Path) -> None:
        self._db: sqlite3.Connection = open_database(folder / DATABASE, _SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def clear(self) -> None:
        """Forget every entry."""
        clear(self._db)

    def add(self, streams: Iterable[tuple[Labels, Sequence[Entry]]], behind: int) -> list[str]:
        """Store each entry that is at most `behind` seconds older than its stream's newest; what is said of the others."""
        late: list[str] = []
        with transaction(self._db):
            for labels, entries in streams:
                stream = self._stream(labels)
                newest = self._newest(stream)
                for at, line, metadata in entries:
                    cutoff = newest - behind * NANOSECONDS
                    if at < cutoff:
                        late.append(_too_far_behind(at, cutoff))
                        continue
                    newest = max(newest, at)
                    digest = hashlib.sha256(line.encode()).digest()
                    self._db.execute(_INSERT, (stream, at, digest, line, json.dumps(metadata)))
        return late

    def query(self, selector: Selector, begin: int, until: int, limit: int, *, forward: bool) -> list[dict[str, object]]:
        """Streams with their entries, in Loki's form: what is asked of structured metadata joins the labels."""
        found = [
            (at, {**labels, **json.loads(metadata)}, line)
            for labels, rows in self._matching(selector, begin, until, forward=forward)
            for at, line, metadata in islice(rows, limit)
        ]
        found.sort(key=lambda one: one[0], reverse=not forward)
        streams: dict[str, dict[str, object]] = {}
        values: dict[str, list[list[str]]] = {}
        for at, labels, line in found[:limit]:
            key = json.dumps(labels, sort_keys=True)
            values.setdefault(key, []).append([str(at), line])
            streams[key] = {"stream": labels, "values": values[key]}
        return list(streams.values())

    def label_names(self) -> list[str]:
        """The names of all labels, sorted."""
        rows = self._db.execute("SELECT labels FROM streams").fetchall()
        return sorted({name for (labels,) in rows for name in json.loads(labels)})

    def _matching(
        self, selector: Selector, begin: int, until: int, *, forward: bool
    ) -> Iterator[tuple[Labels, Iterator[tuple[int, str, str]]]]:
        """The labels of each stream that matches, with its rows (nanoseconds, line, metadata) that do."""
        order = "ASC" if forward else "DESC"
        query = f"SELECT at, line, metadata FROM entries WHERE stream = ? AND at >= ? AND at < ? ORDER BY at {order}"  # noqa: S608
        for stream, written in self._db.execute("SELECT id, labels FROM streams").fetchall():
            labels = json.loads(written)
            if selector.wants(labels):
                yield labels, (row for row in self._db.execute(query, (stream, begin, until)) if selector.takes(row[1]))

    def _stream(self, labels: Labels) -> int:
        key = (json.dumps(labels, sort_keys=True),)
        self._db.execute("INSERT OR IGNORE INTO streams (labels) VALUES (?)", key)
        return int(self._db.execute("SELECT id FROM streams WHERE labels = ?", key).fetchone()[0])

    def _newest(self, stream: int) -> int:
        return int(self._db.execute("SELECT coalesce(max(at), 0) FROM entries WHERE stream = ?", (stream,)).fetchone()[0])


def _too_far_behind(at: int, cutoff: int) -> str:
    reason = f"entry too far behind, entry timestamp is: {rfc3339(at)}, oldest acceptable timestamp is: {rfc3339(cutoff)}"
    return f"entry with timestamp {rfc3339(at)} ignored, reason: '{reason}'"


def rfc3339(nanoseconds: int) -> str:
    """A moment as Loki writes it in its refusals."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(nanoseconds // NANOSECONDS))
