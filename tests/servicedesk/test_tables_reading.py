"""Reading tables: formats, encodings, delimiters, and rows that can't be read beside rows that can."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from servicedesk.tables import MAX_CHARS, Kind, Table, read_table


def table_of(folder: Path, content: str | bytes, name: str = "t.csv", **options: object) -> Table:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(path, **options)  # type: ignore[arg-type]


def bodies(table: Table) -> list[str]:
    return [row.values["body"] for row in table.rows]


# --- encodings, delimiters, line ends

SPANISH = "id;descripción\n1;No puedo entrar al correo electrónico, ¿me ayudáis? La contraseña caducó\n2;Instalación del año\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1", "cp850", "mac_roman"]
)
def test_encodings_are_told(tmp_path: Path, encoding: str) -> None:
    table = table_of(tmp_path, SPANISH.encode(encoding))
    assert bodies(table) == ["No puedo entrar al correo electrónico, ¿me ayudáis? La contraseña caducó", "Instalación del año"]
    assert bool(table.notes) == (encoding in ("cp1252", "latin-1", "cp850", "mac_roman"))


def test_one_english_word_with_a_curly_quote_is_told(tmp_path: Path) -> None:
    assert bodies(table_of(tmp_path, "body\nit doesn’t open – £5\n".encode("cp1252"))) == ["it doesn’t open – £5"]


def test_a_few_wrong_bytes_spoil_their_row_only(tmp_path: Path) -> None:
    lines = [f"{n},la configuración está dañada".encode() for n in range(40)]
    lines[7] = "7,la configuración está dañada".encode("cp1252")
    table = table_of(tmp_path, b"id,body\n" + b"\n".join(lines))
    assert len(table.rows) == 39
    assert set(bodies(table)) == {"la configuración está dañada"}
    assert [(p.row, p.field) for p in table.problems] == [(9, "body")]
    assert "UTF-8" in table.problems[0].remedy


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_told_although_the_text_has_others(tmp_path: Path, delimiter: str) -> None:
    text = '"Hola, no va; el correo|y\tla red"'
    table = table_of(tmp_path, delimiter.join(("id", "descripción")) + "\n" + delimiter.join(("1", text)) + "\n")
    assert bodies(table) == ["Hola, no va; el correo|y\tla red"]
    assert table.layout.delimiter == delimiter


def test_one_column_of_text_with_commas_is_one_column(tmp_path: Path) -> None:
    table = table_of(tmp_path, "description\nHello, it is broken, again\nNo, it is not\nfine\n")
    assert bodies(table) == ["Hello, it is broken, again", "No, it is not", "fine"]


def test_unknown_headers_do_not_keep_the_delimiter_from_being_told(tmp_path: Path) -> None:
    table = table_of(tmp_path, "foo;bar\na, b;c\nd;e, f, g\n", mapping={"foo": "body"})
    assert bodies(table) == ["a, b", "d"]


def test_mixed_line_ends_and_breaks_in_cells(tmp_path: Path) -> None:
    table = table_of(tmp_path, b'id,body\r\n1,one\n2,"two\r\nlines"\r3,"three\nlines, ""quoted"""\r\n\r\n4,four')
    assert bodies(table) == ["one", "two\nlines", 'three\nlines, "quoted"', "four"]
    assert [row.number for row in table.rows] == [2, 3, 4, 6]


def test_a_separator_line_is_obeyed(tmp_path: Path) -> None:
    assert bodies(table_of(tmp_path, "sep=;\r\nid;body\r\n1;a,b\r\n")) == ["a,b"]


def test_rows_above_the_header_are_left_out(tmp_path: Path) -> None:
    table = table_of(tmp_path, "Informe de tickets,\n,\nid,descripción\n1,hola\n")
    assert [(row.number, row.values["body"]) for row in table.rows] == [(4, "hola")]


def test_nul_bytes_are_removed_and_told(tmp_path: Path) -> None:
    table = table_of(tmp_path, b"id,body\n1,he\0llo\n2,fine\n")
    assert bodies(table) == ["hello", "fine"]
    assert table.notes == ["NUL characters were removed from 1 rows."]
    assert table.rows[0].original["body"] == "he\0llo"


# --- rows


def test_ragged_rows_are_listed_and_trailing_delimiters_are_not(tmp_path: Path) -> None:
    table = table_of(tmp_path, "id,body,category\n1,a,x\n2,b\n3,c,d,e\n4,f,y,,\n\n ,\t,\n5,g,z\n")
    assert [row.number for row in table.rows] == [2, 5, 8]
    assert [problem.row for problem in table.problems] == [3, 4]
    assert "2 cells under 3 headers" in str(table.problems[0])


def test_a_quote_that_is_never_closed_takes_one_row_only(tmp_path: Path) -> None:
    table = table_of(tmp_path, 'id,body\n1,a\n2,"never closed\n3,c\n4,d\n5,"e" f\n6,"g\nh"\n')
    assert bodies(table) == ["a", "c", "d", "g\nh"]
    assert [problem.row for problem in table.problems] == [3, 6]


def test_a_row_without_text_is_a_problem_only_where_text_is_required(tmp_path: Path) -> None:
    content = "id,subject,body\n1,,\n2,x,\n"
    assert len(table_of(tmp_path, content).rows) == 2
    table = table_of(tmp_path, content, require_text=True)
    assert ([row.number for row in table.rows], [p.row for p in table.problems]) == ([3], [2])
    assert table.problems[0].remedy == "Fill it in, or remove the row."


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_a_ticket_of_ten_megabytes_is_listed(tmp_path: Path, name: str) -> None:
    long = "x" * 10_000_000
    as_json = "\n".join(json.dumps({"id": n, "body": text}) for n, text in enumerate(("a", long, "b")))
    table = table_of(tmp_path, f"id,body\n0,a\n1,{long}\n2,b\n" if name == "t.csv" else as_json, name)
    assert bodies(table) == ["a", "b"]
    assert "has 10,000,000 characters" in table.problems[0].message
    assert f"{MAX_CHARS:,}" in table.problems[0].remedy


# --- JSON


def test_jsonl_reads_objects_and_lists_lines_that_are_none(tmp_path: Path) -> None:
    lines = [
        '{"id": 1, "description": "a", "assignmentGroup": "N1", "ok": true, "x": null}',
        "",
        "{broken",
        '["an", "array"]',
        '{"id": 2.0, "description": {"nested": 1}}',
        '{"id": 3, "id": 4, "description": "twice"}',
        '{"description": "b", "labels": ["p", "q"], "score": NaN}',
        '{"description": "\\ud800"}',
        "[" * 200_000,
    ]
    table = table_of(tmp_path, "\r\n".join(lines), "t.jsonl")
    assert [(row.number, row.values["body"]) for row in table.rows] == [(1, "a"), (7, "b")]
    assert table.rows[0].values["assignment_group"] == "N1"
    assert table.rows[1].values["labels"] == '["p", "q"]'
    assert [problem.row for problem in table.problems] == [3, 4, 5, 6, 8, 9]
    assert "nested" in str(table.problems[2])


def test_a_json_array_is_read_too(tmp_path: Path) -> None:
    table = table_of(tmp_path, ' [\n{"body": "a"},\n 5, {"body": "b"}]', "t.json")
    assert (bodies(table), table.layout.kind) == (["a", "b"], Kind.JSON)
    assert [problem.row for problem in table.problems] == [2]


@pytest.mark.parametrize("content", ['[{"body": "a"},', "5\n6\n", '{\n"body":\n"a"\n}', "[]"])
def test_json_without_any_row_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError):
        table_of(tmp_path, content, "t.json")


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_a_small_file_can_not_become_endless_cells(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("servicedesk.grid.MAX_CELLS", 10_000)
    headers = ["body", *(f"c{n}" for n in range(199))]
    as_json = "\n".join(json.dumps({header: "x"}) for header in headers)
    as_csv = "\n".join([",".join(headers), *("x" for _ in headers)])
    with pytest.raises(InputError, match=r"200 columns and 200 rows, too many cells"):
        table_of(tmp_path, as_csv if name == "t.csv" else as_json, name)


# --- files


def test_gzipped_tables_are_read(tmp_path: Path) -> None:
    assert bodies(table_of(tmp_path, gzip.compress(b"id,body\n1,a\n"), "t.csv.gz")) == ["a"]
    assert bodies(table_of(tmp_path, gzip.compress(b'{"body": "a"}\n'), "t.jsonl.gz")) == ["a"]


def test_a_gzip_bomb_stops_early(tmp_path: Path) -> None:
    bomb = gzip.compress(b"body\n" + b"x" * 30_000_000)
    assert len(bomb) < 40_000
    with pytest.raises(InputError, match="more than 2 MB"):
        table_of(tmp_path, bomb, "t.csv.gz", max_bytes=2_000_000)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "is empty"),
        ("t.csv", b" \r\n\0\n", "is empty"),
        ("t.pdf", b"%PDF", "in no format"),
        ("noending", b"a", "in no format"),
        (".gz", b"a", "in no format"),
        ("t.xlsx.gz", b"a", "in no format"),
        ("t.csv", b"PK\x03\x04....", "zip archive or an Excel workbook"),
        ("t.csv", b"\x1f\x8b....", "is gzipped"),
        ("t.csv", bytes(range(256)) * 8, "not a text file"),
        ("t.csv", b"\xff\xfe\x00", "says that it is utf-16"),
        ("t.csv.gz", b"\x1f\x8b\x08 not really", "damaged gzip"),
        ("t.csv.gz", gzip.compress(b"id,body\n1,a\n" * 50)[:-12], "damaged gzip"),
        ("t.csv", b"body\n" + b"x" * 3000, "more than 0 MB"),
    ],
)
def test_a_file_that_can_not_be_read_says_why(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        table_of(tmp_path, content, name, max_bytes=3000)
    assert caught.value.remedy


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    for name in ("missing.csv", "folder.csv"):
        with pytest.raises(InputError, match="There is no file"):
            read_table(tmp_path / name)


@settings(max_examples=150)
@given(
    content=st.one_of(
        st.binary(max_size=300),
        st.lists(st.sampled_from([b'"', b",", b";", b"\n", b"\r", b"\0", b"a", b"\xf1", b"\xc3", b"{", b"}", b":"])).map(
            b"".join
        ),
    ),
    name=st.sampled_from(["t.csv", "t.jsonl", "t.json", "t.tsv", "t.xlsx", "t.csv.gz"]),
    start=st.sampled_from([b"", b"body,id\n", b'{"body": "a"}\n', b"\xff\xfe", b"PK\x03\x04"]),
)
def test_no_content_raises_anything_but_an_input_error(tmp_path: Path, content: bytes, name: str, start: bytes) -> None:
    try:
        table = table_of(tmp_path, start + content, name)
    except InputError:
        return
    assert len({p.row for p in table.problems} | {r.number for r in table.rows}) == len(table.problems) + len(table.rows)
