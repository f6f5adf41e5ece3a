"""What every table reader gives and every table writer takes: the rows of the source, and what is read from them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum
from pathlib import Path

from core.errors import InputError, RowError

MAX_COLUMNS = 5_000
MAX_CELLS = 50_000_000
OUTPUT_PREFIX = "tamiz_"
"""Every column that the product adds to a table starts so; such columns of an earlier run are left out when it writes again."""


class Kind(StrEnum):
    """The formats that are read, and written again as they came."""

    CSV = "csv"
    XLSX = "xlsx"
    JSONL = "jsonl"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Layout:
    """How the source is laid out, so that the result can be laid out the same way.

    `encoding` is what the source was decoded with; `separator_line` tells that a spreadsheet's `sep=;` line came first.
    """

    kind: Kind
    gzipped: bool = False
    delimiter: str = ","
    line_end: str = "\n"
    encoding: str = "utf-8"
    separator_line: bool = False
    sheet: str = ""


@dataclass(frozen=True, slots=True)
class BadCell:
    """A cell whose value can't be used: a formula without a saved value, an error value, a nested JSON value.

    It spoils its row only where its column matters. `shown` is what is kept of it in the output.
    """

    shown: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Record:
    """One row as the source has it.

    `number` counts from 1 as a spreadsheet (tables), an editor (jsonl) or the array (json) shows it. `cells` stand under the
    headers; `raw` is the JSON object, or the line that is none. `problem` is set where the row as a whole can't be read.
    """

    number: int
    cells: tuple[object, ...]
    raw: object = None
    problem: RowError | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """A whole source, the header row and what stands above it included (JSON has none: its keys are `headers`)."""

    layout: Layout
    records: tuple[Record, ...]
    headers: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A row that can be read.

    `values` are stripped texts: our fields, the columns that the caller asked for by name, and every other column under its
    folded header; dates are ISO 8601 in UTC. `original` has each cell's text as it came, by header.
    """

    number: int
    values: Mapping[str, str]
    original: Mapping[str, str]

    @property
    def text(self) -> str:
        """Subject and body."""
        return f"{self.values.get('subject', '')}\n{self.values.get('body', '')}".strip()


@dataclass(frozen=True, slots=True)
class Table:
    """A table of tickets: the rows that can be read, the problems of those that can't, and all that is needed to write it again.

    `columns` maps each field (ours, or asked for) to the header it is read from; `ignored` are the other headers. `headers`
    are made unique, `header_cells` are as they came; `preamble` is what stands above them. `records` is everything below, in
    order, blank and unreadable rows included. `asked` are the columns that the caller named. `notes` are harmless repairs,
    each one sentence.
    """

    path: Path
    rows: list[Row]
    problems: list[RowError]
    columns: dict[str, str]
    ignored: list[str]
    headers: tuple[str, ...]
    layout: Layout
    header_cells: tuple[object, ...] = ()
    preamble: tuple[Record, ...] = ()
    records: tuple[Record, ...] = ()
    asked: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)


def cell_text(value: object) -> str:
    """A cell as text: 12345.0 is "12345", dates are ISO 8601 without an empty time, truth values are TRUE and FALSE."""
    match value:
        case None:
            return ""
        case str():
            return value
        case BadCell():
            return value.shown
        case bool():
            return "TRUE" if value else "FALSE"
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        case datetime():
            return value.date().isoformat() if value.time() == time() and value.tzinfo is None else value.isoformat(sep=" ")
        case date() | time():
            return value.isoformat()
        case list() | dict():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


def is_blank(cells: tuple[object, ...]) -> bool:
    """True where no cell has anything but white space and NULs."""
    return not any(cell_text(cell).strip(" \t\r\n\0\xa0\ufeff") for cell in cells)


def require_size(columns: int, rows: int, name: str) -> None:
    """Refuse a table that would fill the memory with cells, most of them empty, though its file is small."""
    if columns > MAX_COLUMNS or columns * rows > MAX_CELLS:
        raise InputError(
            f"{name} has {columns:,} columns and {rows:,} rows, too many cells.",
            remedy=f"Leave out columns (at most {MAX_COLUMNS:,}) or split the file.",
        )
