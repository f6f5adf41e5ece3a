"""Results written beside a table: the same format, rows and order, with added columns; whole or not at all."""

import csv
import gzip
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, TypeAlias, cast

from core.errors import InputError, RowError, StorageError
from servicedesk.grid import OUTPUT_PREFIX, BadCell, Kind, Record, Table, cell_text, is_blank

if TYPE_CHECKING:
    from openpyxl.worksheet._write_only import WriteOnlyWorksheet

ERROR_COLUMN = f"{OUTPUT_PREFIX}error"
RAW_COLUMN = f"{OUTPUT_PREFIX}raw"
# A spreadsheet takes a cell that starts so for a formula; the full-width forms are folded by some of them.
_FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_XLSX_CELL = 32_767


def default_output(path: Path) -> Path:
    """`kb.csv` gives `kb.tamiz.csv`, `kb.csv.gz` gives `kb.tamiz.csv.gz`, in the same folder."""
    ending = "".join(path.suffixes[-2:]) if path.suffix.lower() == ".gz" else path.suffix
    written = ".xlsx" if ending.lower() == ".xlsm" else ending
    return path.with_name(f"{path.name.removesuffix(ending)}.tamiz{written}")


def write_beside(
    table: Table,
    results: Mapping[int, Mapping[str, str]],
    path: Path | None = None,
    *,
    problems: Sequence[RowError] = (),
) -> Path:
    """Write the table again with the results in added columns, named `tamiz_<field>`.

    Cells of the source are written as they were read, whatever they hold; an added cell that a spreadsheet would take for a
    formula gets a quote before it (csv) or the type text (xlsx). Text files are written as UTF-8, with a byte-order mark where
    the source had one or was no UTF-8. Columns that an earlier run added are replaced.

    Args:
        results: row number -> field -> text; rows without a result are written too.
        path: where to; `default_output` of the source unless given.
        problems: further rows that could not be used; with those of the table they fill the column `tamiz_error`.

    Returns:
        The path written; a file that was there is replaced, but never the source.

    Raises:
        InputError: the path is the source's.
        StorageError: the disk is full or the folder can't be written; nothing is left behind.
    """
    target = path or default_output(table.path)
    if target.exists() and table.path.exists() and target.samefile(table.path):
        raise InputError(f"{target} is the source itself.", remedy="Give the result another name.")
    added = _Added(results, (*table.problems, *problems))
    writers: Mapping[Kind, _Writer] = {Kind.CSV: _write_csv, Kind.XLSX: _write_xlsx}
    write = writers.get(table.layout.kind, _write_json)
    _replace(target, table.path, lambda stream: _compressed(table, added, stream, write))
    return target


class _Added:
    """The added columns, and each row's cells in them."""

    def __init__(self, results: Mapping[int, Mapping[str, str]], problems: Sequence[RowError]) -> None:
        self._cells: dict[int, dict[str, str]] = {
            number: {_prefixed(name): _NOT_IN_XML.sub("", text) for name, text in fields.items()}
            for number, fields in results.items()
        }
        for problem in problems:
            self._cells.setdefault(problem.row, {})[ERROR_COLUMN] = str(problem)
        names = dict.fromkeys(name for cells in self._cells.values() for name in cells)
        self.headers = [name for name in names if name != ERROR_COLUMN] + [ERROR_COLUMN] * (ERROR_COLUMN in names)

    def of(self, number: int) -> Mapping[str, str]:
        return self._cells.get(number, {})


_Writer: TypeAlias = Callable[[Table, _Added, BinaryIO], None]


def _prefixed(name: str) -> str:
    return name if name.startswith(OUTPUT_PREFIX) else f"{OUTPUT_PREFIX}{name}"


def _replace(target: Path, source: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write to a temporary file in the same folder, flush it to the disk, then put it in place in one step."""
    temporary: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".tamiz-", delete=False) as stream:
            temporary = Path(stream.name)
            write(cast(BinaryIO, stream))
            stream.flush()
            os.fsync(stream.fileno())
        if source.exists():
            shutil.copymode(source, temporary)
        temporary.replace(target)
    except OSError as error:
        raise StorageError(
            f"{target} can't be written ({error.strerror or error}).", remedy="Free some space, or write elsewhere."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _compressed(table: Table, added: _Added, stream: BinaryIO, write: _Writer) -> None:
    if not table.layout.gzipped:
        write(table, added, stream)
        return
    with gzip.GzipFile(filename="", fileobj=stream, mode="wb", mtime=0) as packed:
        write(table, added, cast(BinaryIO, packed))


def _rows(table: Table, added: _Added) -> Iterator[list[tuple[object, bool]]]:
    """Every row of the output, what stands above the header included, as cells with whether they were added."""
    width = len(table.headers)
    kept = [at for at, header in enumerate(table.headers) if not header.startswith(OUTPUT_PREFIX)]
    spare = max((len(_folded(record, table)) - width for record in (*table.preamble, *table.records)), default=0)
    places = [*kept, *range(width, width + spare)]
    for record in table.preamble:
        yield _own(_folded(record, table), places)
    yield _own(table.header_cells, places) + [(header, True) for header in added.headers]
    for record in table.records:
        cells = added.of(record.number)
        yield _own(_folded(record, table), places) + [(cells.get(name, ""), True) for name in added.headers]


def _folded(record: Record, table: Table) -> tuple[object, ...]:
    """A csv row's cells with all that stand beyond the headers in one: a garbled row must not widen all others by thousands."""
    width = len(table.headers)
    if table.layout.kind is not Kind.CSV or len(record.cells) <= width:
        return record.cells
    if is_blank(record.cells[width:]):
        return record.cells[:width]
    return (*record.cells[:width], table.layout.delimiter.join(map(cell_text, record.cells[width:])))


def _own(cells: Sequence[object], places: Sequence[int]) -> list[tuple[object, bool]]:
    return [(cells[at] if at < len(cells) else None, False) for at in places]


class _LineEnds:
    """Gives a csv writer's rows another line end: it quotes both \\r and \\n only where it writes both itself."""

    def __init__(self, stream: IO[str], line_end: str) -> None:
        self._stream = stream
        self._line_end = line_end

    def write(self, row: str) -> int:
        return self._stream.write(row.removesuffix("\r\n") + self._line_end)


def _write_csv(table: Table, added: _Added, stream: BinaryIO) -> None:
    layout = table.layout
    encoding = "utf-8" if layout.encoding == "utf-8" else "utf-8-sig"
    # Bytes that are no UTF-8 came in as surrogates and go out as they were.
    text = io.TextIOWrapper(stream, encoding=encoding, errors="surrogateescape", newline="")
    if layout.separator_line:
        text.write(f"sep={layout.delimiter}{layout.line_end}")
    writer = csv.writer(_LineEnds(text, layout.line_end), delimiter=layout.delimiter, lineterminator="\r\n")
    for row in _rows(table, added):
        writer.writerow([_guarded(str(cell)) if is_added else cell_text(cell) for cell, is_added in row])
    text.detach()


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _write_xlsx(table: Table, added: _Added, stream: BinaryIO) -> None:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet(table.layout.sheet or "Tamiz")
    for row in _rows(table, added):
        sheet.append([_xlsx_cell(sheet, cell) for cell, _is_added in row])
    packed = io.BytesIO()
    book.save(packed)
    stream.write(packed.getbuffer())


def _xlsx_cell(sheet: "WriteOnlyWorksheet", value: object) -> object:
    """Texts get the type text by hand, because openpyxl would make a formula of `=...` and an error of `#N/A`."""
    from openpyxl.cell import WriteOnlyCell

    text = value.shown if isinstance(value, BadCell) else value
    if not isinstance(text, str):
        return text
    cell = WriteOnlyCell(sheet, value=_NOT_IN_XML.sub("", text)[:_XLSX_CELL])
    cell.data_type = "s"
    return cell


def _write_json(table: Table, added: _Added, stream: BinaryIO) -> None:
    is_array = table.layout.kind is Kind.JSON
    if is_array:
        stream.write(b"[\n")
    for place, record in enumerate(table.records):
        separator = b"" if place == 0 else b",\n" if is_array else b"\n"
        stream.write(separator + _json(_own_fields(record) | dict(added.of(record.number))))
    stream.write(b"\n]\n" if is_array else b"\n")


def _own_fields(record: Record) -> dict[str, object]:
    if isinstance(record.raw, dict):
        return {name: value for name, value in record.raw.items() if not name.startswith(OUTPUT_PREFIX)}
    return {RAW_COLUMN: record.raw}


def _json(fields: Mapping[str, object]) -> bytes:
    try:
        return json.dumps(fields, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can escape and UTF-8 can't hold
        return json.dumps(fields).encode()
