"""Excel workbooks (.xlsx, .xlsm), checked as an archive before anything in them is unpacked or parsed."""

import io
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from itertools import chain, repeat, zip_longest
from typing import Protocol, cast
from xml.parsers import expat

from core.errors import InputError
from servicedesk.columns import is_header
from servicedesk.grid import MAX_CELLS, BadCell, Grid, Kind, Layout, Record, cell_text, is_blank

MAX_UNPACKED = 200_000_000
MAX_RATIO = 200
MAX_PARTS = 10_000
MAX_ROWS = 1 << 20
HEADER_WITHIN = 10
_RATIO_COUNTS_FROM = 20_000_000
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
# What zipfile, zlib, expat and openpyxl raise on archives and parts that are cut off or altered.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, SyntaxError, expat.ExpatError, NotImplementedError),
    *(LookupError, ValueError, TypeError, AttributeError, ArithmeticError, AssertionError, RuntimeError),
)


class _Cell(Protocol):
    """What is used of openpyxl's read-only cells, the empty ones included."""

    @property
    def value(self) -> object: ...
    @property
    def data_type(self) -> str: ...


class _Sheet(Protocol):
    """What is used of openpyxl's read-only worksheets."""

    @property
    def title(self) -> str: ...
    def reset_dimensions(self) -> None: ...
    def iter_rows(self) -> Iterator[tuple[_Cell, ...]]: ...


def read_workbook(raw: bytes, name: str, mapping: Mapping[str, str]) -> Grid:
    """The rows of the first sheet whose first rows have a header that is recognised, else of the first sheet with anything in it.

    Raises:
        InputError: damaged, protected, too large unpacked, or with a document type definition in a part.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            _check_size(archive, name)
            _check_parts(archive, name)
            formulas = _has_formulas(archive)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl tells of styles and extensions that it leaves out
            return _grid(raw, name, mapping, formulas)
    except _DAMAGE as error:
        raise InputError(f"{name} is damaged: {_short(error)}.", remedy="Copy or export it again.") from error


def _check_size(archive: zipfile.ZipFile, name: str) -> None:
    parts = archive.infolist()
    unpacked, packed = sum(p.file_size for p in parts), sum(p.compress_size for p in parts)
    if any(p.flag_bits & 1 for p in parts):
        raise InputError(f"{name} is protected with a password.", remedy="Save a copy without a password.")
    ratio = unpacked / max(packed, 1) if unpacked > _RATIO_COUNTS_FROM else 0
    if unpacked > MAX_UNPACKED or ratio > MAX_RATIO or len(parts) > MAX_PARTS:
        size = f"{packed / 1e6:,.1f} MB that unpack to {unpacked / 1e6:,.0f} MB in {len(parts)} parts"
        raise InputError(
            f"{name} is {size}: too much for a table.",
            remedy="Save the sheet as .csv, or split it.",
        )


def _check_parts(archive: zipfile.ZipFile, name: str) -> None:
    """No part may declare entities: a workbook has no use for them, and they can grow without end or name other files."""
    for part in archive.namelist():
        if part.lower().endswith((".xml", ".rels")) and _declares_type(archive, part):
            raise InputError(
                f"{name} has a document type definition in {part}.", remedy="Save it again with Excel or LibreOffice."
            )


class _Started(Exception):
    """The root element has begun: no definition can follow."""


class _Declared(Exception):
    """A document type is declared."""


def _declares_type(archive: zipfile.ZipFile, part: str) -> bool:
    def started(*_: object) -> None:
        raise _Started

    def declared(*_: object) -> None:
        raise _Declared

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.StartDoctypeDeclHandler = started, declared
    try:
        with archive.open(part) as stream:
            parser.ParseFile(stream)
    except _Declared:
        return True
    except _Started:
        return False
    return False


def _has_formulas(archive: zipfile.ZipFile) -> bool:
    sheets = [part for part in archive.namelist() if part.startswith("xl/worksheets/") and part.endswith(".xml")]
    return any(_mentions_formula(archive, part) for part in sheets)


def _mentions_formula(archive: zipfile.ZipFile, part: str) -> bool:
    tail = b""
    with archive.open(part) as stream:
        while piece := stream.read(1 << 20):
            if _FORMULA.search(tail + piece):
                return True
            tail = piece[-64:]
    return False


def _grid(raw: bytes, name: str, mapping: Mapping[str, str], formulas: bool) -> Grid:
    first: Grid | None = None
    twins = _sheets(raw, saved_values=False) if formulas else []
    for sheet, twin in zip_longest(_sheets(raw, saved_values=True), twins):
        records = tuple(_records(sheet, twin, name))
        grid = Grid(Layout(Kind.XLSX, sheet=sheet.title), records)
        if any(is_header(map(cell_text, record.cells), mapping) for record in records[:HEADER_WITHIN]):
            return grid
        if first is None and not all(is_blank(record.cells) for record in records):
            first = grid
    if first is None:
        raise InputError(f"{name} has no sheet with anything in it.", remedy="Export it again, with a header row.")
    return first


def _sheets(raw: bytes, *, saved_values: bool) -> list[_Sheet]:
    from openpyxl import load_workbook

    return cast(list[_Sheet], load_workbook(io.BytesIO(raw), read_only=True, data_only=saved_values).worksheets)


def _cells(sheet: _Sheet, name: str) -> Iterator[tuple[int, tuple[_Cell, ...]]]:
    """Row numbers with cells; the size that the sheet declares is not believed."""
    sheet.reset_dimensions()
    count = 0
    for number, cells in enumerate(sheet.iter_rows(), 1):
        count += len(cells)
        if number > MAX_ROWS or count > MAX_CELLS:
            raise InputError(f"{name} has too many rows or cells.", remedy="Save the sheet as .csv, or split it.")
        yield number, cells


def _records(sheet: _Sheet, twin: _Sheet | None, name: str) -> Iterator[Record]:
    """The rows of a sheet; `twin` is the same sheet with formulas in place of values, since one reading gives only either."""
    others = (cells for _, cells in _cells(twin, name)) if twin else repeat(())
    for (number, cells), formulas in zip(_cells(sheet, name), others, strict=False):
        found = [_value(cell, formula) for cell, formula in zip(cells, chain(formulas, repeat(None)), strict=False)]
        while found and found[-1] is None:
            found.pop()
        yield Record(number, tuple(found))


def _value(cell: _Cell, formula: _Cell | None) -> object:
    # A formula whose saved value is an empty text has the type "str": that one is simply blank.
    if cell.value is None and formula is not None and formula.data_type == "f" and cell.data_type != "str":
        shown = str(getattr(formula.value, "text", None) or formula.value)
        return BadCell(shown, "is a formula without a saved value", "Open the file and save it, or paste the values.")
    if cell.data_type == "e":
        return BadCell(str(cell.value), f"has the error {cell.value}", "Correct the formula, or paste the value.")
    return cell.value


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
