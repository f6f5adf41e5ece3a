"""The queue as a spreadsheet and back: drop-downs from the taxonomy, an account of every row, nothing done twice."""

from pathlib import Path

import pytest
from openpyxl import load_workbook
from openpyxl.worksheet.worksheet import Worksheet

from tests.batch.commands_examples import Desk, decisions, example_taxonomy, tamiz


@pytest.fixture
def sheet(home: Path, desk: Desk, tmp_path: Path) -> Path:
    result = tamiz("run", "--json")
    assert result.code == 0, result.err
    path = tmp_path / "waiting.xlsx"
    assert tamiz("review", "export", path, "--order", "teaches").code == 0
    return path


def filled(path: Path, rows: dict[int, dict[str, str]]) -> list[str]:
    """Fill cells in by row and column name; the tickets of all rows."""
    book = load_workbook(path)
    page = book.worksheets[0]
    columns = {str(cell.value): number for number, cell in enumerate(page[1], 1)}
    for row, cells in rows.items():
        for name, value in cells.items():
            page.cell(row, columns[name], value)
    book.save(path)
    return [str(page.cell(row, 1).value) for row in range(2, page.max_row + 1)]


def offered(page: Worksheet, book_labels: Worksheet, column: str) -> list[str]:
    """What the drop-down of a column offers."""
    letter = next(cell.column_letter for cell in page[1] if cell.value == column)
    rule = next(one for one in page.data_validations.dataValidation if str(one.sqref).startswith(f"{letter}2"))
    place = str(rule.formula1).split("!")[1].replace("$", "")
    return [str(row[0].value) for row in book_labels[place]]


def test_the_file_offers_the_taxonomys_labels_and_no_formula(sheet: Path, home: Path) -> None:
    book = load_workbook(sheet)
    page, labels = book.worksheets
    assert labels.sheet_state == "hidden"
    for field in ("category", "urgency"):
        assert offered(page, labels, field) == list(example_taxonomy().labels(field))
    assert offered(page, labels, "verdict") == ["approve", "correct", "reject", "skip"]
    held = {d.ticket_id for d in decisions(home) if d.outcome != "accepted"}
    assert {page.cell(row, 1).value for row in range(2, page.max_row + 1)} == held
    assert all(cell.data_type == "s" for row in page.iter_rows() for cell in row if cell.value is not None)


def test_each_row_is_accounted_for_and_the_file_again_changes_nothing(sheet: Path, home: Path, desk: Desk) -> None:
    first = {str(d.ticket_id): d for d in decisions(home)}
    tickets = filled(sheet, {})
    urgency = next(x for x in example_taxonomy().labels("urgency") if x != first[tickets[1]].fusion["urgency"].label)
    filled(
        sheet,
        {
            2: {"verdict": "approve"},
            3: {"verdict": "correct", "urgency": urgency, "reason": "=1+1"},
            4: {"verdict": "reject"},
            5: {"verdict": "skip"},
            6: {"verdict": "perhaps"},
            7: {"verdict": "correct", "urgency": "purple"},
            8: {"verdict": "approve", "decision": "0123"},
        },
    )
    result = tamiz("review", "import", sheet, "--who", "ana", "--json")
    assert result.code == 3
    said = {row["row"]: (row["said"], row["why"]) for row in result.json["rows"]}
    assert [said[row][0] for row in range(2, 9)] == ["approved", "corrected", "rejected", "skipped", *["refused"] * 3]
    assert "is no verdict" in said[6][1]
    assert "not a label of urgency" in said[7][1]
    assert "decided again" in said[8][1]
    assert result.json["counts"]["nothing"] == len(tickets) - 7
    assert desk.tickets()[tickets[1]]["fields"]["urgency"] == urgency
    writes = desk.writes()
    again = tamiz("review", "import", sheet, "--who", "ana", "--json").json
    assert [row["said"] for row in again["rows"][:4]] == ["already"] * 4
    assert desk.writes() == writes


@pytest.mark.parametrize("name", ["waiting.csv", "missing/waiting.xlsx"])
def test_a_file_that_cannot_be_written_is_an_error(sheet: Path, tmp_path: Path, name: str) -> None:
    assert tamiz("review", "export", tmp_path / name).code == 1


def test_another_table_is_refused(sheet: Path, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("subject,body\na,b\n", encoding="utf-8")
    result = tamiz("review", "import", tmp_path / "other.csv")
    assert result.code == 1
    assert "no column 'ticket'" in result.err
