"""`run FILE`: the results beside the file, whatever its format: same rows, same order, added columns, nothing lost."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.batch.commands_examples import OPEN, RESOLVED, Result, decisions, rows_of, tamiz, write_rows

COLUMNS = ("id", "subject", "description", "notes")
AWKWARD = {"id": "A-1", "subject": "=1+1", "description": 'VPN "Atlas"; cae,\ncada 5 minutos', "notes": "+34 600 000 000"}
ADDED = {"tamiz_outcome", "tamiz_score", "tamiz_summary", "tamiz_resolution", "tamiz_resolution_exemplar", "tamiz_why"}


def rows() -> list[dict[str, str]]:
    """Some open tickets with a column of the file's own, the awkward one among them; the third says nothing at all."""
    some = [{**{name: str(row.get(name, "")) for name in COLUMNS}, "notes": f"n{at}"} for at, row in enumerate(rows_of(OPEN)[:6])]
    return [*some[:2], {"id": "A-2", "subject": "", "description": "", "notes": "=cmd|' /C calc'!A0"}, AWKWARD, *some[2:]]


def as_jsonl(path: Path) -> Path:
    write_rows(path.with_suffix(".jsonl"), rows())
    with path.with_suffix(".jsonl").open("a", encoding="utf-8") as lines:
        lines.write('{"id": "A-3", "subject": \n')
    return path.with_suffix(".jsonl")


def as_csv(path: Path) -> Path:
    with path.with_suffix(".csv").open("w", encoding="cp1252", newline="") as stream:
        writer = csv.writer(stream, delimiter=";")
        writer.writerow(COLUMNS)
        writer.writerows([row[name] for name in COLUMNS] for row in rows())
        writer.writerow(["A-3", "too", "many", "cells", "here"])
    return path.with_suffix(".csv")


def as_xlsx(path: Path) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(COLUMNS)
    for row in rows():
        sheet.append([row[name] for name in COLUMNS])
        for cell in sheet[sheet.max_row]:
            cell.data_type = "s"
    sheet.append(["A-3", '=CONCAT("un", "saved")', "text", ""])
    book.save(path.with_suffix(".xlsx"))
    return path.with_suffix(".xlsx")


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return rows_of(path)


def read_csv(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream, delimiter=";"))


def read_xlsx(path: Path) -> list[dict[str, Any]]:
    sheet = openpyxl.load_workbook(path).active
    assert sheet is not None
    assert not [cell for line in sheet.iter_rows() for cell in line if cell.data_type == "f"], "a cell became a formula"
    header, *lines = sheet.iter_rows(values_only=True)
    return [{str(name): value or "" for name, value in zip(header, line, strict=True)} for line in lines]


FORMATS = {"jsonl": (as_jsonl, read_jsonl), "csv": (as_csv, read_csv), "xlsx": (as_xlsx, read_xlsx)}
Make = Callable[[Path], Path]
Read = Callable[[Path], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def runs(prepared_copy: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Result, list[dict[str, Any]]]]:
    """format -> source, result of the command, rows of what it wrote; all formats in one home."""
    found = {}
    for name, (make, read) in FORMATS.items():
        source = make(tmp_path_factory.mktemp(name) / "open")
        before = source.read_bytes()
        result = tamiz("run", source, "--json")
        assert source.read_bytes() == before
        found[name] = source, result, read(source.with_name(f"open.tamiz{source.suffix}"))
    return found


@pytest.mark.parametrize("name", FORMATS)
def test_same_rows_in_the_same_order_with_columns_added(
    name: str, runs: dict[str, tuple[Path, Result, list[dict[str, Any]]]]
) -> None:
    _, _, written = runs[name]
    assert [{column: row[column] for column in COLUMNS} for row in written[:-1]] == rows()
    assert written[0].keys() >= ADDED
    assert list(written[0])[: len(COLUMNS)] == list(COLUMNS)
    # A csv's garbled row brings a column without a name for the cells that it has too many.
    assert all(column.startswith("tamiz_") for row in written[:-1] for column in row if column and column not in COLUMNS)


@pytest.mark.parametrize("name", FORMATS)
def test_a_row_that_cannot_be_read_is_kept_with_its_error_and_listed(
    name: str, runs: dict[str, tuple[Path, Result, list[dict[str, Any]]]]
) -> None:
    source, result, written = runs[name]
    assert result.code == 3
    bad = len(rows()) + (1 if name == "jsonl" else 2)
    # A csv's row number is its line, and two texts of the file hold line ends.
    (problem,) = result.json["problems"]
    assert name == "csv" or problem["row"] == bad
    assert f"row {problem['row']}," in result.err
    assert problem["remedy"] in result.err
    assert problem["message"].split(":")[0] in written[-1]["tamiz_error"]
    kept = json.dumps(written[-1], ensure_ascii=False)
    assert "A-3" in kept
    assert not written[-1].get("tamiz_outcome")
    assert result.json["totals"]["tickets"] == len(rows())
    assert result.json["paths"]["results"] == str(source.with_name(f"open.tamiz{source.suffix}"))


def test_every_format_has_the_same_results(runs: dict[str, tuple[Path, Result, list[dict[str, Any]]]]) -> None:
    def results(name: str) -> list[dict[str, str]]:
        plain = (
            {c: str(v).removeprefix("'") for c, v in row.items() if c in ADDED | {"tamiz_category"}} for row in runs[name][2]
        )
        return [{c: v for c, v in row.items() if v} for row in plain][:-1]

    assert results("csv") == results("xlsx") == results("jsonl")
    assert {row["tamiz_outcome"] for row in results("csv")} >= {"accepted", "escalated"}


def test_each_row_says_what_was_decided_and_why(runs: dict[str, tuple[Path, Result, list[dict[str, Any]]]]) -> None:
    _, result, written = runs["jsonl"]
    for ticket, row in zip(result.json["tickets"], written, strict=False):
        assert (ticket["id"], ticket["outcome"]) == (row["id"], row["tamiz_outcome"])
        for name, proposed in ticket["fields"].items():
            assert row[f"tamiz_{name}"] == proposed["label"]
            assert row[f"tamiz_{name}_mode"] == proposed["mode"]
            assert row[f"tamiz_{name}_evidence"].split() == proposed["evidence"]
    empty = next(row for row in written if row.get("id") == "A-2")
    assert (empty["tamiz_outcome"], empty["tamiz_why"]) == ("escalated", "the ticket is empty")
    assert "tamiz_category" not in empty


def test_the_same_file_again_gives_the_same_and_replaces_the_columns(home: Path, tmp_path: Path) -> None:
    source = as_csv(tmp_path / "open")
    assert tamiz("run", source).code == 3
    target = tmp_path / "open.tamiz.csv"
    first = target.read_bytes()
    assert tamiz("run", source).code == 3
    assert target.read_bytes() == first
    # The results as a source: the columns of the earlier run are replaced, not added again.
    again = tamiz("run", target)
    assert "Columns not used: notes (" in again.err
    with (tmp_path / "open.tamiz.tamiz.csv").open(encoding="utf-8-sig", newline="") as stream:
        header = next(csv.reader(stream, delimiter=";"))
    assert len(header) == len(set(header))


def test_a_limit_decides_the_first_rows_and_keeps_the_others(home: Path, tmp_path: Path) -> None:
    source = write_rows(tmp_path / "open.jsonl", rows())
    result = tamiz("run", source, "--limit", 2, "--json")
    assert (result.code, result.json["totals"]["tickets"]) == (0, 2)
    written = rows_of(tmp_path / "open.tamiz.jsonl")
    assert [bool(row.get("tamiz_outcome")) for row in written] == [True, True] + [False] * (len(rows()) - 2)


def test_a_dry_run_leaves_no_results(home: Path, tmp_path: Path) -> None:
    source = write_rows(tmp_path / "open.jsonl", rows()[:2])
    result = tamiz("run", source, "--dry-run", "--json")
    assert (result.code, result.json["dry_run"]) == (0, True)
    assert "results" not in result.json["paths"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "open.jsonl"]


def test_columns_can_be_mapped(home: Path, tmp_path: Path) -> None:
    texts = [row["description"] for row in rows_of(OPEN)[:2]]
    source = write_rows(tmp_path / "odd.jsonl", [{"Was?": text, "Nr": f"N{at}"} for at, text in enumerate(texts)])
    assert tamiz("run", source).code == 1
    result = tamiz("run", source, "--map", "Was?=body", "--map", "Nr=id", "--json")
    assert result.code == 0, result.err
    assert [ticket["id"] for ticket in result.json["tickets"]] == ["N0", "N1"]


def test_what_was_guessed_about_the_file_is_said(home: Path, tmp_path: Path) -> None:
    result = tamiz("run", as_csv(tmp_path / "open"), "--dry-run")
    assert "was read as cp1252" in result.err
    assert "Columns not used: notes" in result.err


def test_personal_data_of_a_file_stays_out_of_journal_and_report(home: Path, tmp_path: Path) -> None:
    secret = "ana.ruiz@clientes.example"
    source = write_rows(
        tmp_path / "open.jsonl", [{"id": "P-1", "subject": "VPN", "description": f"Soy {secret}, no entro en la VPN"}]
    )
    assert tamiz("run", source).code == 0
    assert decisions(home)[0].redactions == {"email": 1}
    assert not [path for path in home.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def test_a_report_is_made_again_from_the_journal(home: Path, tmp_path: Path) -> None:
    result = tamiz("run", as_csv(tmp_path / "open"), "--json")
    paths = {name: Path(path) for name, path in result.json["paths"].items()}
    page = paths["report"].read_text(encoding="utf-8")
    paths["report"].unlink()
    again = tamiz("report", "last", "--json")
    assert again.code == 0, again.err
    assert paths["report"].read_text(encoding="utf-8") == page
    assert again.json == result.json
    # Without what was written then, it is made from the journal alone.
    (paths["report"].parent / "report.json").unlink()
    bare = tamiz("report", result.json["run"][:12], "--json").json
    assert bare["tickets"] == result.json["tickets"]
    assert {name: t["value"] for name, t in bare["thresholds"].items() if t["holds"]} == {
        name: t["value"] for name, t in result.json["thresholds"].items() if t["holds"]
    }


def test_a_report_of_no_run_is_a_clear_error(blank: Path) -> None:
    for name in ("last", "20260101"):
        result = tamiz("report", name)
        assert result.code == 1
        assert "There is no run" in result.err


def test_other_tickets_with_the_same_taxonomy_need_no_second_fit(home: Path, tmp_path: Path) -> None:
    """The fit of a home is used as it is while knowledge base and taxonomy are the same."""
    before = sorted(path.name for path in (home / "fit").iterdir())
    assert tamiz("run", write_rows(tmp_path / "one.jsonl", rows_of(RESOLVED)[:1]), "--dry-run").code == 0
    assert sorted(path.name for path in (home / "fit").iterdir()) == before
