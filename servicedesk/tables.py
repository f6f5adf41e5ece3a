"""Tables of resolved or open tickets: csv, tsv, xlsx, jsonl and json (csv and json also gzipped), read and written again.

    table = read_table("history.csv", {"Texto del caso": "body"})
    tickets, problems = to_tickets(table)
    write_beside(table, {row: {"category": "VPN"} for row in tickets}, problems=problems)

A row that can't be read is a `RowError` in `table.problems`, and the rest goes on; a file that can't be read is an `InputError`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, tzinfo
from pathlib import Path
from types import MappingProxyType

from core.errors import InputError, RowError
from servicedesk.columns import DATE_FIELDS, FIELDS, LABEL_FIELDS, Columns, is_header, resolve
from servicedesk.dates import is_no_date, month_first, parse_date
from servicedesk.delimited import read_delimited
from servicedesk.grid import BadCell, Grid, Kind, Layout, Record, Row, Table, cell_text, is_blank, require_size
from servicedesk.jsonrows import read_json
from servicedesk.source import CODE_PAGES, MAX_BYTES, decoding, kind_of, load
from servicedesk.table_output import default_output, write_beside
from servicedesk.table_tickets import ResolvedRow, to_resolved, to_tickets
from servicedesk.workbook import HEADER_WITHIN, read_workbook

__all__ = [
    "FIELDS",
    "LABEL_FIELDS",
    "MAX_BYTES",
    "MAX_CHARS",
    "Kind",
    "Layout",
    "Record",
    "ResolvedRow",
    "Row",
    "Table",
    "default_output",
    "read_table",
    "to_resolved",
    "to_tickets",
    "write_beside",
]

MAX_CHARS = 1_000_000
"""Characters of one cell that is read; the cell of a longer one spoils its row."""
_NOT_TEXT = re.compile("[\ud800-\udfff]")
_NOTHING: Mapping[str, str] = MappingProxyType({})


def read_table(
    path: str | Path,
    mapping: Mapping[str, str] = _NOTHING,
    *,
    extra: Sequence[str] = (),
    require_text: bool = False,
    max_bytes: int = MAX_BYTES,
    zone: tzinfo = UTC,
) -> Table:
    """Read a table of tickets.

    Args:
        path: the file; its name tells the format.
        mapping: their column -> our field (`FIELDS`, or one of `extra`); it wins over every recognised header.
        extra: further columns wanted, by header; they are in `values` under exactly these names.
        require_text: a row without subject and body is a problem (for open tickets it is not: a person gets them).
        max_bytes: size limit, of the unpacked content.
        zone: the time zone of dates that name none.

    Raises:
        InputError: the file can't be read, or its columns can't be told.
    """
    path = Path(path)
    grid = _grid(path, mapping, max_bytes)
    header, preamble, records = _split(grid, mapping, path.name)
    require_size(len(header), len(records), path.name)
    columns = resolve(
        [_clean(cell) for cell in header], mapping, tuple(extra), lambda at: [_clean(_at(record, at)) for record in records]
    )
    reader = _RowReader(columns, records, grid.layout.kind, require_text, zone)
    rows, problems = _read(reader, records)
    return Table(
        path=path,
        rows=rows,
        problems=problems,
        columns={name: columns.headers[at] for name, at in columns.fields.items()},
        ignored=columns.ignored,
        headers=columns.headers,
        layout=grid.layout,
        header_cells=header,
        preamble=preamble,
        records=records,
        asked=tuple(extra),
        notes=[*_encoding_note(grid.layout), *reader.notes()],
    )


def _grid(path: Path, mapping: Mapping[str, str], max_bytes: int) -> Grid:
    kind, gzipped = kind_of(path)
    raw = load(path, max_bytes)
    if kind is Kind.XLSX:
        return read_workbook(raw, path.name, mapping)
    how = decoding(raw, path.name)
    if kind is Kind.CSV:
        grid = read_delimited(raw, how, mapping, prefer_tab=".tsv" in path.suffixes)
    else:
        grid = read_json(raw, how, path.name)
    return replace(grid, layout=replace(grid.layout, gzipped=gzipped))


def _encoding_note(layout: Layout) -> list[str]:
    if layout.encoding not in CODE_PAGES:
        return []
    return [f"The file is not UTF-8 and was read as {layout.encoding}; if accents look wrong, save it again as UTF-8."]


def _split(
    grid: Grid, mapping: Mapping[str, str], name: str
) -> tuple[tuple[object, ...], tuple[Record, ...], tuple[Record, ...]]:
    """The header, what is above and what is below: it is the first of the first rows to name a text column, else the first."""
    if grid.headers is not None:
        return grid.headers, (), grid.records
    filled = [at for at, record in enumerate(grid.records) if not is_blank(record.cells)][:HEADER_WITHIN]
    if not filled:
        raise InputError(f"{name} is empty.", remedy="Export it again, with a header row.")
    named = (at for at in filled if is_header(map(_clean, grid.records[at].cells), mapping))
    found = next(named, filled[0])
    return grid.records[found].cells, grid.records[:found], grid.records[found + 1 :]


def _read(reader: "_RowReader", records: Sequence[Record]) -> tuple[list[Row], list[RowError]]:
    rows: list[Row] = []
    problems: list[RowError] = []
    for record in records:
        try:
            if record.problem or not is_blank(record.cells):
                rows.append(reader.row(record))
        except RowError as problem:
            problems.append(problem)
    return rows, problems


def _at(record: Record, position: int) -> object:
    return record.cells[position] if position < len(record.cells) else None


def _clean(cell: object) -> str:
    """A cell's text as it is used: stripped, line ends as \\n, without NULs."""
    return cell_text(cell).replace("\0", "").replace("\r\n", "\n").replace("\r", "\n").strip()


class _RowReader:
    """Turns records into rows, once the columns are known."""

    def __init__(self, columns: Columns, records: Sequence[Record], kind: Kind, require_text: bool, zone: tzinfo) -> None:
        self._columns = columns
        self._fixed_width = len(columns.headers) if kind is Kind.CSV else None
        self._require_text = require_text
        self._zone = zone
        self._with_nul = 0
        self._month_first = {
            name: month_first(_clean(_at(record, at)) for record in records if not record.problem)
            for name, at in columns.fields.items()
            if name in DATE_FIELDS
        }

    def row(self, record: Record) -> Row:
        """The row of a record; a RowError where it can't be read."""
        if record.problem:
            raise record.problem
        self._check_width(record)
        values = {name: self._value(record, name, at) for name, at in self._columns.fields.items()}
        values |= {name: _clean(_at(record, at)) for name, at in self._columns.others.items()}
        if self._require_text and not (values.get("subject") or values.get("body")):
            raise self._error(record, "body", "has no text", "Fill it in, or remove the row.")
        self._with_nul += any("\0" in cell for cell in record.cells if isinstance(cell, str))
        original = {header: cell_text(_at(record, at)) for at, header in enumerate(self._columns.headers) if header}
        return Row(record.number, values, original)

    def notes(self) -> list[str]:
        """What was repaired, in sentences."""
        return [f"NUL characters were removed from {self._with_nul} rows."] if self._with_nul else []

    def _check_width(self, record: Record) -> None:
        width = self._fixed_width
        if width is None or len(record.cells) == width or (len(record.cells) > width and is_blank(record.cells[width:])):
            return
        raise RowError(
            f"Row {record.number} has {len(record.cells)} cells under {width} headers.",
            row=record.number,
            field="",
            remedy="Put cells with delimiters or line breaks between quotation marks, and write every cell, the empty ones too.",
        )

    def _value(self, record: Record, name: str, position: int) -> str:
        cell = _at(record, position)
        if isinstance(cell, BadCell):
            raise self._error(record, name, cell.message, cell.remedy)
        text = _clean(cell)
        if len(text) > MAX_CHARS:
            raise self._error(record, name, f"has {len(text):,} characters", f"Shorten it to at most {MAX_CHARS:,}.")
        if _NOT_TEXT.search(text):
            raise self._error(record, name, "has bytes that are no text in the file's encoding", "Save the file again as UTF-8.")
        return self._date(record, name, text) if name in DATE_FIELDS else text

    def _date(self, record: Record, name: str, text: str) -> str:
        if is_no_date(text):
            return ""
        try:
            return parse_date(text, month_first=self._month_first[name], zone=self._zone).isoformat()
        except ValueError as error:
            order = "month/day/year" if self._month_first[name] else "day/month/year"
            raise self._error(
                record, name, f"has {text[:40]!r}, which is no date", f"Write it as YYYY-MM-DD or {order}, or leave it empty."
            ) from error

    def _error(self, record: Record, name: str, what: str, remedy: str) -> RowError:
        at = self._columns.fields.get(name)
        header = name if at is None else self._columns.headers[at]
        return RowError(f"Row {record.number}, column {header!r} {what}.", row=record.number, field=header, remedy=remedy)
