"""Tables as JSON: one object per line, or one array of objects."""

import io
import json
from collections.abc import Iterator

from core.errors import InputError, RowError
from servicedesk.grid import BadCell, Grid, Kind, Layout, Record, require_size
from servicedesk.source import Decoding

_NESTED = "Give one text per field: flatten the nested value before the export."


def read_json(raw: bytes, decoding: Decoding, name: str) -> Grid:
    """All objects of a .jsonl file or a .json array; a line that is no object is a record with a problem.

    Raises:
        InputError: an array that can't be read at all, or no object anywhere.
    """
    with decoding.stream(raw) as stream:
        is_array = stream.read(4096).lstrip().startswith("[")
        stream.seek(0)
        found = list(_array(stream.read(), name) if is_array else _lines(stream))
    headers = tuple(dict.fromkeys(key for record in found if isinstance(record.raw, dict) for key in record.raw))
    if not headers:
        raise InputError(f"{name} has no JSON object with fields.", remedy="Write one object per line, or one array of objects.")
    require_size(len(headers), len(found), name)
    layout = Layout(Kind.JSON if is_array else Kind.JSONL, encoding=decoding.encoding)
    return Grid(layout, tuple(_with_cells(record, headers) for record in found), headers)


def _lines(stream: io.TextIOWrapper) -> Iterator[Record]:
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            yield _record(number, _parse(line), line.rstrip("\r\n"))
        except (ValueError, RecursionError) as error:
            yield Record(number, (), raw=line.rstrip("\r\n"), problem=_bad(number, f"is not JSON ({_short(error)})"))


def _array(text: str, name: str) -> Iterator[Record]:
    try:
        items = _parse(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is not a JSON array ({_short(error)}).", remedy="Export it again, or write .jsonl.") from error
    for number, item in enumerate(items if isinstance(items, list) else [items], 1):
        yield _record(number, item, json.dumps(item, ensure_ascii=False))


def _parse(text: str) -> object:
    """JSON with NaN and infinity (which are none) as null, and a key that comes twice refused."""
    return json.loads(text, object_pairs_hook=_object, parse_constant=lambda _name: None)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a field comes twice in it")
    return found


def _record(number: int, item: object, line: str) -> Record:
    if isinstance(item, dict):
        return Record(number, (), raw=item)
    return Record(number, (), raw=line, problem=_bad(number, "is not a JSON object"))


def _with_cells(record: Record, headers: tuple[str, ...]) -> Record:
    found = record.raw if isinstance(record.raw, dict) else {}
    return Record(record.number, tuple(_cell(found.get(header)) for header in headers), record.raw, record.problem)


def _cell(value: object) -> object:
    if isinstance(value, dict | list):
        return BadCell(json.dumps(value, ensure_ascii=False), "holds a nested value", _NESTED)
    return value


def _bad(number: int, what: str) -> RowError:
    return RowError(f"Row {number} {what}.", row=number, field="", remedy="Write one JSON object per row, with a text per field.")


def _short(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:120]
