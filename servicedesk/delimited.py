"""Tables with a delimiter (comma, semicolon, tab or bar), read so that one broken row does not take others along."""

import csv
import io
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from core.errors import RowError
from servicedesk.columns import recognised
from servicedesk.grid import Grid, Kind, Layout, Record
from servicedesk.source import Decoding

MAX_RECORD = 64_000_000
"""Characters of one record; a quote that is never closed would otherwise swallow the rest of the file."""
_SAMPLE_CHARS = 1 << 16
_SAMPLE_RECORDS = 20
_SEPARATOR_LINE = "sep="


class _Unclosed(Exception):
    """A record grew beyond MAX_RECORD."""


class _Lines:
    """The file's lines for a csv reader; those of the record at hand are kept, so that reading can go back behind its first."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._stream = stream
        self._again: deque[str] = deque()
        self._record: list[str] = []
        self._size = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._stream)
        self._record.append(line)
        self._size += len(line)
        if self._size > MAX_RECORD:
            raise _Unclosed
        return line

    def done(self) -> None:
        """The record has been read."""
        self._record.clear()
        self._size = 0

    def give_up(self) -> str:
        """The record's first line, which is left out; its other lines will be read again."""
        first, *others = self._record
        self._again.extendleft(reversed(others))
        self.done()
        return first


def read_delimited(raw: bytes, decoding: Decoding, mapping: Mapping[str, str], *, prefer_tab: bool = False) -> Grid:
    """All records of a csv file, the header among them; the delimiter is told by the first records."""
    csv.field_size_limit(max(csv.field_size_limit(), 2 * MAX_RECORD))  # process-wide, so it is only ever raised
    with decoding.stream(raw) as stream:
        sample = stream.read(_SAMPLE_CHARS)
    told = _separator_line(sample)
    delimiter = told or _delimiter(sample, mapping, "\t,;|" if prefer_tab else ",;\t|")
    with decoding.stream(raw) as stream:
        if told:
            next(stream)
        records = tuple(_records(_Lines(stream), delimiter))
    line_end = "\r\n" if "\r\n" in sample.split("\n", 1)[0] + "\n" else "\n"
    layout = Layout(Kind.CSV, delimiter=delimiter, line_end=line_end, encoding=decoding.encoding, separator_line=bool(told))
    return Grid(layout, records)


def _separator_line(sample: str) -> str:
    """The delimiter that a first line `sep=;` tells, as spreadsheets write it; "" where there is none."""
    first = sample.splitlines()[0].lower() if sample else ""
    return first[len(_SEPARATOR_LINE)] if first.startswith(_SEPARATOR_LINE) and len(first) == len(_SEPARATOR_LINE) + 1 else ""


def _delimiter(sample: str, mapping: Mapping[str, str], candidates: str) -> str:
    scores = {candidate: _score(_sample_records(sample, candidate), mapping) for candidate in candidates}
    return max(candidates, key=lambda candidate: scores[candidate])


def _sample_records(sample: str, delimiter: str) -> list[list[str]]:
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    records = [record for record in islice(reader, _SAMPLE_RECORDS + 1) if record]
    return records[:-1] if len(records) > 1 and len(sample) == _SAMPLE_CHARS else records


def _score(records: Sequence[Sequence[str]], mapping: Mapping[str, str]) -> tuple[int, float, int]:
    """Headers recognised, then the share of records as wide as the header, then the width."""
    if not records:
        return 0, 0.0, 0
    header = max(records[:10], key=lambda record: recognised(record, mapping))
    agreeing = sum(len(record) == len(header) for record in records) / len(records)
    return recognised(header, mapping), agreeing, len(header)


def _records(lines: _Lines, delimiter: str) -> Iterator[Record]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, _Unclosed):
            line = lines.give_up()
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            yield Record(number, (line.rstrip("\r\n"),), problem=_broken(number))
        else:
            lines.done()
            yield Record(number, tuple(cells))


def _broken(number: int) -> RowError:
    return RowError(
        f"Row {number}: a quotation mark is opened and not closed, or closed in the middle of a cell.",
        row=number,
        field="",
        remedy='Write quotation marks inside a cell twice ("") and put the whole cell between quotation marks.',
    )
