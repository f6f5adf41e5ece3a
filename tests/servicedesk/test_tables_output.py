"""Results beside the source: same rows, same order, nothing lost, nothing that a spreadsheet would run, whole or not at all."""

import gzip
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from core.errors import InputError, StorageError
from servicedesk.tables import Table, default_output, read_table, to_tickets, write_beside


def table_of(folder: Path, content: str | bytes, name: str = "t.csv") -> Table:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(path)


def test_the_output_stands_beside_the_source(tmp_path: Path) -> None:
    names = {"kb.csv": "kb.tamiz.csv", "a.b.csv.gz": "a.b.tamiz.csv.gz", "t.xlsm": "t.tamiz.xlsx", "T.JSONL": "T.tamiz.JSONL"}
    assert {name: default_output(tmp_path / name) for name in names} == {name: tmp_path / to for name, to in names.items()}


def test_csv_keeps_rows_order_delimiter_and_line_ends(tmp_path: Path) -> None:
    source = 'Informe;;\r\nid;descripción;Nota\r\n1;"a;b";\r\n2;roto\r\n\r\n3;"con\nsalto";"n ""x"""\r\n4;d;e;f;g\r\n'
    table = table_of(tmp_path, source)
    out = write_beside(table, {3: {"category": "Red", "confidence": "0.91"}, 6: {"category": "Correo"}})
    assert out == tmp_path / "t.tamiz.csv"
    assert (tmp_path / "t.csv").read_bytes() == source.encode()
    lines = out.read_bytes().decode().split("\r\n")
    assert lines[0] == "Informe;;;"
    assert lines[1] == "id;descripción;Nota;;tamiz_category;tamiz_confidence;tamiz_error"
    assert lines[2] == '1;"a;b";;;Red;0.91;'
    assert lines[3].startswith("2;roto;;;;;Row 4 has 2 cells under 3 headers.")
    assert lines[4] == ";;;;;;"
    assert lines[5] == '3;"con\nsalto";"n ""x""";;Correo;;'
    assert lines[6].startswith('4;d;e;"f;g";;;Row 7 has 5 cells')
    assert lines[7:] == [""]


def test_a_row_with_a_broken_quote_is_kept_word_for_word(tmp_path: Path) -> None:
    table = table_of(tmp_path, 'id,body\n1,"never closed\n2,b\n')
    again = read_table(write_beside(table, {3: {"x": "y"}}))
    assert [row.original["id"] for row in again.rows] == ['1,"never closed', "2"]


def test_added_cells_can_not_become_formulas_and_own_cells_stay(tmp_path: Path) -> None:
    table = table_of(tmp_path, "id,body\n1,=own()\n")
    values = {
        "=1+1": "'=1+1",
        "+x": "'+x",
        "-0.5": "'-0.5",
        "@a": "'@a",
        "\tx": "'\tx",
        "\rx": "'\rx",
        "a=b": "a=b",
        "＝1": "'＝1",
    }
    for value, written in values.items():
        (row,) = read_table(write_beside(table, {2: {"note": value}})).rows
        assert row.original == {"id": "1", "body": "=own()", "tamiz_note": written}


def test_the_encoding_of_the_output_is_utf8_with_a_mark_where_the_source_was_not_plain(tmp_path: Path) -> None:
    for encoding, mark in (("utf-8", False), ("utf-8-sig", True), ("cp1252", True), ("utf-16", True)):
        table = table_of(tmp_path, "id,descripción\n1,ñandú está aquí\n".encode(encoding))
        raw = write_beside(table, {2: {"x": "→ 漢"}}).read_bytes()
        assert raw.startswith(b"\xef\xbb\xbf") is mark
        assert raw.decode("utf-8-sig") == "id,descripción,tamiz_x\n1,ñandú está aquí,→ 漢\n"


def test_bytes_that_are_no_text_go_out_as_they_came(tmp_path: Path) -> None:
    content = b"id,body\n" + "1,está\n".encode() * 30 + b"2,est\xe1\n"
    raw = write_beside(table_of(tmp_path, content), {}).read_bytes()
    assert b'\n2,est\xe1,"Row 32' in raw


def test_gzipped_and_separator_line_stay(tmp_path: Path) -> None:
    table = table_of(tmp_path, gzip.compress(b"sep=;\nid;body\n1;a\n"), "t.csv.gz")
    out = write_beside(table, {2: {"x": "1"}})
    assert out.name == "t.tamiz.csv.gz"
    assert gzip.decompress(out.read_bytes()) == b"sep=;\nid;body;tamiz_x\n1;a;1\n"


def test_a_second_run_replaces_the_columns_of_the_first(tmp_path: Path) -> None:
    first = write_beside(table_of(tmp_path, "id,body\n1,a\n2\n"), {2: {"category": "old", "gone": "g"}})
    again = write_beside(read_table(first), {2: {"category": "new"}}, tmp_path / "second.csv")
    assert again.read_text() == "id,body,tamiz_category\n1,a,new\n2,,\n"


def test_problems_found_later_are_written_too(tmp_path: Path) -> None:
    table = table_of(tmp_path, "id,body\n1,a\n1,b\n")
    tickets, problems = to_tickets(table)
    rows = read_table(write_beside(table, {n: {"ok": "yes"} for n in tickets}, problems=problems)).rows
    assert [row.original["tamiz_ok"] for row in rows] == ["yes", ""]
    assert rows[1].original["tamiz_error"].startswith("Row 3, column 'id' has '1', as row 2 has.")


def test_jsonl_keeps_objects_and_lines_that_are_none(tmp_path: Path) -> None:
    lines = ['{"id": 1, "body": "ñ", "n": null, "k": [1, {"a": 2.50}]}', "{broken", '{"body": "\\ud800", "tamiz_old": "x"}']
    table = table_of(tmp_path, "\n".join(lines), "t.jsonl")
    out = write_beside(table, {1: {"category": "=Red"}}).read_text(encoding="utf-8").splitlines()
    assert out[0] == '{"id": 1, "body": "ñ", "n": null, "k": [1, {"a": 2.5}], "tamiz_category": "=Red"}'
    assert json.loads(out[1])["tamiz_raw"] == "{broken"
    assert json.loads(out[1])["tamiz_error"].startswith("Row 2 is not JSON")
    assert set(json.loads(out[2])) == {"body", "tamiz_error"}


def test_a_json_array_stays_one(tmp_path: Path) -> None:
    table = table_of(tmp_path, '[{"body": "a"}, {"body": "b"}]', "t.json")
    assert json.loads(write_beside(table, {2: {"x": "y"}}).read_text()) == [{"body": "a"}, {"body": "b", "tamiz_x": "y"}]


def test_xlsx_keeps_values_as_read_and_adds_texts(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Tickets"
    for row in (["Informe"], ["id", "body", "creado"], [7, "a", datetime(2024, 3, 4, 10, 22)], [], [8, "=1+1", None, "beside"]):
        sheet.append(row)
    text = sheet.cell(row=6, column=2, value="=own()")
    text.data_type = "s"
    book.save(tmp_path / "t.xlsx")
    table = read_table(tmp_path / "t.xlsx")
    out = write_beside(table, {3: {"category": "=HYPERLINK(1)", "score": "#N/A"}, 6: {"category": "b\x01ad"}})
    written = load_workbook(out)["Tickets"]
    rows = [[cell.value for cell in row] for row in written.iter_rows()]
    assert rows[0][0] == "Informe"
    assert rows[1] == ["id", "body", "creado", None, "tamiz_category", "tamiz_score", "tamiz_error"]
    assert rows[2][:6] == [7, "a", datetime(2024, 3, 4, 10, 22), None, "=HYPERLINK(1)", "#N/A"]
    assert rows[4][:4] == [8, "=1+1", None, "beside"]
    assert str(rows[4][6]).startswith("Row 5, column 'body' is a formula without a saved value")
    assert (rows[5][1], rows[5][4]) == ("=own()", "bad")
    assert {cell.data_type for row in written.iter_rows() for cell in row if isinstance(cell.value, str)} == {"s"}


def test_the_source_is_never_overwritten(tmp_path: Path) -> None:
    table = table_of(tmp_path, "body\na\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / "t.csv")
    for target in (tmp_path / "t.csv", tmp_path / "link.csv"):
        with pytest.raises(InputError, match="is the source itself"):
            write_beside(table, {}, target)


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """While inside, no file may grow beyond `size` bytes: writing fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.xlsx", "t.csv.gz"])
def test_a_full_disk_is_told_and_leaves_the_earlier_output(tmp_path: Path, name: str) -> None:
    texts = [f"{n * 7919:x}" * 40 for n in range(2000)]
    if name == "t.xlsx":
        book = Workbook()
        for text in ("body", *texts):
            book.active.append([text])  # type: ignore[union-attr]
        book.save(tmp_path / name)
        table = read_table(tmp_path / name)
    else:
        content = "\n".join(json.dumps({"body": text}) for text in texts) if name == "t.jsonl" else "\n".join(["body", *texts])
        table = table_of(tmp_path, gzip.compress(content.encode()) if name == "t.csv.gz" else content, name)
    out = write_beside(table, {2: {"x": "first"}})
    before = out.read_bytes()
    with files_up_to(4096), pytest.raises(StorageError, match=r"can't be written .*Free some space"):
        write_beside(table, {2: {"x": "second"}})
    assert out.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, out.name])
    assert write_beside(table, {2: {"x": "second"}}).read_bytes() != before


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="can't be written"):
        write_beside(table_of(tmp_path, "body\na\n"), {}, tmp_path / "no" / "out.csv")


def test_the_output_has_the_mode_of_the_source(tmp_path: Path) -> None:
    table = table_of(tmp_path, "body\na\n")
    table.path.chmod(0o640)
    assert write_beside(table, {}).stat().st_mode & 0o777 == 0o640


CELLS = st.text(alphabet=st.characters(codec="utf-8"), max_size=12) | st.text(alphabet="\",;|\t\r\n '=a", max_size=8)


@settings(max_examples=100)
@given(
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=6),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    note=CELLS,
)
def test_csv_survives_reading_and_writing(
    tmp_path: Path, rows: list[tuple[str, str, str]], delimiter: str, line_end: str, note: str
) -> None:
    quoted = [delimiter.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    table = table_of(tmp_path, line_end.join([delimiter.join(("id", "descripción", "extra")), *quoted, ""]))
    filled = [row for row in rows if any(cell.strip(" \t\r\n\0\xa0\ufeff") for cell in row)]
    assert [tuple(row.original.values()) for row in table.rows] == filled
    again = read_table(write_beside(table, {row.number: {"note": note} for row in table.rows}))
    assert [tuple(row.original.values())[:3] for row in again.rows] == filled
    assert [row.number for row in again.rows] == [row.number for row in table.rows]
