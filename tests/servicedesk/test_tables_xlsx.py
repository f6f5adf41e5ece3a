"""Workbooks: what cells become, formulas without values, and files that are damaged or built to do harm."""

import io
import zipfile
from datetime import date, datetime, time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from core.errors import InputError
from servicedesk.tables import Table, read_table

NAMESPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def saved(book: Workbook) -> bytes:
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def workbook(*rows: object, title: str = "Tickets") -> bytes:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = title
    for row in rows:
        sheet.append(row)  # type: ignore[arg-type]
    return saved(book)


def with_part(raw: bytes, part: str, content: bytes) -> bytes:
    """The same archive with one part replaced or added."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name != part:
                new.writestr(name, old.read(name))
        new.writestr(part, content)
    return stream.getvalue()


def with_sheet(rows: str, before: str = "") -> bytes:
    """A workbook whose sheet is written by hand."""
    sheet = f'<?xml version="1.0"?>{before}<worksheet xmlns="{NAMESPACE}"><sheetData>{rows}</sheetData></worksheet>'
    return with_part(workbook(["x"]), "xl/worksheets/sheet1.xml", sheet.encode())


def text_cell(place: str, text: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def read(folder: Path, raw: bytes, name: str = "t.xlsx") -> Table:
    (folder / name).write_bytes(raw)
    return read_table(folder / name)


def test_cells_become_sensible_text(tmp_path: Path) -> None:
    values = [12345.0, "  la impresora\r\nno va ", datetime(2024, 3, 4, 10, 22), date(2024, 3, 5), True, 2.5, time(9, 30), None]
    raw = workbook(["Número", "Descripción", "Creado", "Resuelto", "VIP", "Horas", "Hora", "Nada"], values)
    (row,) = read(tmp_path, raw).rows
    expected = {"id": "12345", "created": "2024-03-04T10:22:00+00:00", "resolved_at": "2024-03-05T00:00:00+00:00", "vip": "TRUE"}
    assert row.values == expected | {"body": "la impresora\nno va", "horas": "2.5", "hora": "09:30:00", "nada": ""}
    assert row.original["Creado"] == "2024-03-04 10:22:00"


def test_the_sheet_and_row_of_the_header_are_found(tmp_path: Path) -> None:
    book = Workbook()
    cover = book.active
    assert cover is not None
    cover.append(["Exportado el 3 de marzo"])
    book.create_sheet("vacía")
    sheet = book.create_sheet("Tickets")
    for row in ([], ["Informe"], [None, "id", "descripción"], [None, 1, "hola"], [], [None, 2, "adiós", None, None]):
        sheet.append(row)
    table = read(tmp_path, saved(book))
    assert [(row.number, row.values["id"], row.values["body"]) for row in table.rows] == [(4, "1", "hola"), (6, "2", "adiós")]
    assert table.layout.sheet == "Tickets"


def test_short_rows_are_filled_up_and_notes_beside_the_table_are_left(tmp_path: Path) -> None:
    table = read(tmp_path, workbook(["id", "body", "category"], [1, "a"], [2, "b", "x", "a note beside"]))
    assert [row.values["category"] for row in table.rows] == ["", "x"]
    assert not table.problems


def test_a_formula_without_a_saved_value_is_listed_where_it_matters(tmp_path: Path) -> None:
    raw = workbook(["id", "body", "notes"], [1, "=A1&B1", "x"], [2, "b", "=1+1"], [3, "c", "y"])
    table = read(tmp_path, raw)
    assert [row.values["body"] for row in table.rows] == ["b", "c"]
    (problem,) = table.problems
    assert (problem.row, problem.field) == (2, "body")
    assert "formula without a saved value" in problem.message
    assert "paste the values" in problem.remedy


def test_saved_values_of_formulas_are_used_and_errors_are_listed(tmp_path: Path) -> None:
    rows = (
        f'<row r="1">{text_cell("A1", "id")}{text_cell("B1", "body")}</row>'
        '<row r="2"><c r="A2"><v>1</v></c><c r="B2" t="str"><f>UPPER("a")</f><v>A</v></c></row>'
        '<row r="3"><c r="A3"><v>2</v></c><c r="B3" t="str"><f>IF(1,"")</f><v></v></c></row>'
        '<row r="4"><c r="A4"><v>3</v></c><c r="B4" t="e"><f>1/0</f><v>#DIV/0!</v></c></row>'
    )
    table = read(tmp_path, with_sheet(rows))
    assert [row.values["body"] for row in table.rows] == ["A", ""]
    assert "has the error #DIV/0!" in str(table.problems[0])


def test_a_cell_of_ten_megabytes_is_listed(tmp_path: Path) -> None:
    rows = f'<row r="1">{text_cell("A1", "body")}</row><row r="2">{text_cell("A2", "ab" * 5_000_000)}</row>'
    table = read(tmp_path, with_sheet(rows + f'<row r="3">{text_cell("A3", "fine")}</row>'))
    assert [row.values["body"] for row in table.rows] == ["fine"]
    assert "10,000,000 characters" in str(table.problems[0])


# --- harm


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb = with_part(workbook(["body"], ["a"]), "xl/worksheets/sheet1.xml", b"\0" * 30_000_000)
    with pytest.raises(InputError, match=r"unpack to 30 MB .* too much"):
        read(tmp_path, bomb)


def test_an_archive_of_very_many_parts_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for n in range(10_001):
            archive.writestr(f"{n}.xml", b"")
    with pytest.raises(InputError, match="in 10001 parts"):
        read(tmp_path, stream.getvalue())


@pytest.mark.parametrize("comment", ["", "<!-- " + "x" * 70_000 + " -->"])
def test_a_part_that_declares_entities_is_refused(tmp_path: Path, comment: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("not for you")
    before = f'{comment}<!DOCTYPE worksheet [<!ENTITY e SYSTEM "{secret.as_uri()}">]>'
    raw = with_sheet(f'<row r="1">{text_cell("A1", "body")}</row><row r="2">{text_cell("A2", "&e;")}</row>', before)
    with pytest.raises(InputError, match=r"document type definition in xl/worksheets/sheet1\.xml"):
        read(tmp_path, raw)


@pytest.mark.parametrize(
    "rows",
    [f'<row r="99999999999">{text_cell("A1", "body")}</row>', f"<row>{text_cell('ZZZ1', 'a')}</row>" * 2000],
    ids=["rows", "cells"],
)
def test_a_sheet_that_claims_to_be_endless_is_refused(tmp_path: Path, rows: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("servicedesk.workbook.MAX_ROWS", 10_000)
    monkeypatch.setattr("servicedesk.workbook.MAX_CELLS", 1_000_000)
    with pytest.raises(InputError, match=r"too many rows or cells"):
        read(tmp_path, with_sheet(f'<row r="1">{text_cell("A1", "body")}</row>{rows}'))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "old .xls workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "protected with a password"),
        (
            workbook(["body"]).replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"),
            "protected with a password",
        ),
        (b"id,body\n1,a\n", "is not an .xlsx workbook"),
        (workbook(), "no sheet with anything in it"),
        (with_part(workbook(["body"]), "xl/workbook.xml", b"<nonsense/>"), "no sheet with anything in it"),
        (with_sheet('<row r="1"><c r="A1" t="s"><v>7</v></c></row>'), "is damaged"),
    ],
    ids=["xls", "password", "zip password", "csv", "empty", "no workbook", "no strings"],
)
def test_what_is_no_sound_workbook_says_so(tmp_path: Path, raw: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, raw)
    assert caught.value.remedy


WHOLE = workbook(["id", "descripción", "creado"], *([n, f"texto {n}", datetime(2024, 1, 1)] for n in range(30)))


@settings(max_examples=40)
@given(length=st.integers(4, len(WHOLE) - 1))
def test_a_truncated_workbook_is_damaged_wherever_it_is_cut(tmp_path: Path, length: int) -> None:
    with pytest.raises(InputError, match=r"is damaged.*export it again"):
        read(tmp_path, WHOLE[:length])


@settings(max_examples=60)
@given(place=st.integers(4, len(WHOLE) - 1), value=st.integers(0, 255))
def test_an_altered_workbook_raises_nothing_but_an_input_error(tmp_path: Path, place: int, value: int) -> None:
    try:
        table = read(tmp_path, WHOLE[:place] + bytes([value]) + WHOLE[place + 1 :])
    except InputError:
        return
    assert len(table.rows) + len(table.problems) == 30


@settings(max_examples=60)
@given(data=st.data())
def test_an_altered_part_raises_nothing_but_an_input_error(tmp_path: Path, data: st.DataObject) -> None:
    with zipfile.ZipFile(io.BytesIO(WHOLE)) as archive:
        part = data.draw(st.sampled_from(archive.namelist()))
        content = archive.read(part)
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 40)))
    filler = data.draw(st.sampled_from([b"", b"9", b"<", b"-1", b"x", b'"', b"1e999", b"</c>"]))
    try:
        table = read(tmp_path, with_part(WHOLE, part, content[:start] + filler + content[end:]))
    except InputError:
        return
    numbers = [row.number for row in table.rows]
    assert numbers == sorted(set(numbers)), "a row is read once, and in its order"
    assert len(table.rows) + len(table.problems) <= len(table.records)
    assert all(isinstance(value, str) for row in table.rows for value in row.values.values())
