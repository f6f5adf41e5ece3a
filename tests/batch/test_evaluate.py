"""`evaluate`: the published structure, figures that agree with each other, and nothing learnt from the test table."""

import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.batch.commands_examples import GOLD, OPEN, RESOLVED, TAXONOMY_FILE, Result, rows_of, tamiz, write_rows

FIELDS = ("category", "urgency")
TARGETS = ("0.90", "0.95", "0.98")
KB_ROWS, TEST_ROWS = 160, 40


def labelled() -> list[dict[str, Any]]:
    """Open tickets with their gold labels, empty ones included; some have none."""
    gold = {row["id"]: row for row in rows_of(GOLD)}
    return [{**row, **{f: gold[row["id"]][f] for f in FIELDS}} for row in rows_of(OPEN)[:TEST_ROWS]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The two tables; the settings name a home that does not exist."""
    folder = tmp_path_factory.mktemp("evaluate")
    write_rows(folder / "kb.jsonl", rows_of(RESOLVED)[:KB_ROWS])
    write_rows(folder / "test.jsonl", labelled())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAMIZ_HOME", str(folder / "home"))
        patch.setenv("TAMIZ_TAXONOMY", str(TAXONOMY_FILE))
        yield folder


def evaluate(folder: Path, test: str, *options: object) -> tuple[Result, Any]:
    out = folder / f"{test}.figures.json"
    kb = ("--kb", folder / "kb.jsonl", "--test", folder / test, "--fields", ",".join(FIELDS), "--json", out)
    result = tamiz("evaluate", *kb, *options)
    return result, json.loads(out.read_text(encoding="utf-8"), parse_constant=_no_constant) if out.exists() else None


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


@pytest.fixture(scope="module")
def figures(folder: Path) -> dict[str, Any]:
    result, found = evaluate(folder, "test.jsonl", "--html", folder / "page.html")
    assert result.code == 0, result.err
    assert "category: accuracy" in result.out
    assert (folder / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    document: dict[str, Any] = found
    return document


def is_share(value: object) -> bool:
    return isinstance(value, float) and 0.0 <= value <= 1.0


def test_it_has_the_published_structure(figures: dict[str, Any]) -> None:
    assert (figures["n_kb"], figures["n_test"], figures["unreadable"]) == (KB_ROWS, TEST_ROWS, 0)
    assert set(figures["fields"]) == set(FIELDS)
    for field in figures["fields"].values():
        assert all(is_share(field[name]) for name in ("accuracy", "macro_f1", "ece", "aurc"))
        assert len(field["accuracy_ci"]) == 2
        assert set(field["coverage_at"]) == set(TARGETS)
        for at in field["coverage_at"].values():
            assert {"threshold", "coverage", "precision"} <= at.keys()
        assert {"vote", "linear", "label_text"} <= field["experts"].keys()
        for expert in field["experts"].values():
            assert is_share(expert["accuracy"])
            assert is_share(expert["macro_f1"])
            assert expert["weight"] >= 0.0
        assert field.get("baselines", {}) == {}
        assert field["mcnemar_vs_best_baseline"] is None
    assert set(figures["critic"]["errors_caught_at"]) == {"0.05", "0.10"}
    assert is_share(figures["critic"]["auroc"])
    assert is_share(figures["critic"]["ece"])
    assert all(seconds >= 0.0 for seconds in figures["seconds"].values())
    assert figures["tickets_per_second"] > 0.0
    assert figures["duplicates_shared"] >= 0


def test_the_figures_agree_with_each_other(figures: dict[str, Any]) -> None:
    for name, field in figures["fields"].items():
        n, matrix = field["n"], field["curves"]["confusion"]["matrix"]
        assert n == sum(bool(row[name]) for row in labelled())
        hits = sum(matrix[i][i] for i in range(len(matrix)))
        assert sum(map(sum, matrix)) == sum(count for *_, count in field["curves"]["reliability"]) == n
        assert field["accuracy"] == pytest.approx(hits / n)
        low, high = field["accuracy_ci"]
        assert low < field["accuracy"] < high
        gap = sum(abs(said - seen) * count / n for said, seen, count in field["curves"]["reliability"])
        assert field["ece"] == pytest.approx(gap)
        # A test ticket that is refused can't be right, so that no expert is better on it than the whole.
        assert field["accuracy"] > 1 / len(field["curves"]["confusion"]["labels"])
        _check_coverage(field)


def _check_coverage(field: Mapping[str, Any]) -> None:
    n = field["n"]
    thresholds = [field["coverage_at"][target]["threshold"] for target in TARGETS]
    held = [threshold for threshold in thresholds if threshold is not None]
    assert held == sorted(held)
    for at in field["coverage_at"].values():
        accepted = at["coverage"] * n
        assert accepted == pytest.approx(round(accepted))
        assert (at["precision"] is None) == (round(accepted) == 0)
        if at["precision"] is not None:
            right = at["precision"] * accepted
            assert right == pytest.approx(round(right))
            assert right <= field["accuracy"] * n + 1e-9
            assert at["precision_ci"][0] <= at["precision"] <= at["precision_ci"][1]
        if at["threshold"] is None:
            assert accepted == 0
    coverages = [field["coverage_at"][target]["coverage"] for target in TARGETS]
    assert coverages == sorted(coverages, reverse=True)


def test_the_test_tables_labels_never_reach_the_fit(folder: Path, figures: dict[str, Any]) -> None:
    """With the gold labels dealt out at random the same is fitted and the same confidences are shown: only the score falls."""
    rows = labelled()
    for field in FIELDS:
        with_gold = [row for row in rows if row[field]]
        dealt = [row[field] for row in with_gold]
        random.Random(7).shuffle(dealt)
        for row, label in zip(with_gold, dealt, strict=True):
            row[field] = label
    write_rows(folder / "dealt.jsonl", rows)
    result, dealt_figures = evaluate(folder, "dealt.jsonl")
    assert result.code == 0, result.err
    for name in FIELDS:
        ours, theirs = figures["fields"][name], dealt_figures["fields"][name]
        assert theirs["accuracy"] < ours["accuracy"]
        # More than rounding in another order makes would be something learnt.
        for target in TARGETS:
            thresholds = [field["coverage_at"][target]["threshold"] for field in (ours, theirs)]
            assert thresholds[0] == pytest.approx(thresholds[1], abs=0.005)
        weights = [{e: score["weight"] for e, score in field["experts"].items()} for field in (ours, theirs)]
        assert weights[0] == pytest.approx(weights[1], abs=0.005)
        confidences = [sum(said * count for said, _, count in field["curves"]["reliability"]) for field in (ours, theirs)]
        assert confidences[0] == pytest.approx(confidences[1], abs=0.05)


def test_it_leaves_nothing_behind_and_needs_no_home(folder: Path, figures: dict[str, Any]) -> None:
    assert not (folder / "home").exists()


def test_a_row_that_cannot_be_read_is_listed_with_its_file(folder: Path) -> None:
    write_rows(folder / "bad.jsonl", [*labelled()[:8], labelled()[0]])
    with (folder / "bad.jsonl").open("a", encoding="utf-8") as lines:
        lines.write("{oops\n")
    write_rows(folder / "few.jsonl", [*rows_of(RESOLVED)[:40], {"description": "", "category": "Red"}])
    arguments = ("--kb", folder / "few.jsonl", "--test", folder / "bad.jsonl", "--fields", "category")
    result = tamiz("evaluate", *arguments, "--json", folder / "few.json")
    assert result.code == 3
    found = json.loads((folder / "few.json").read_text(encoding="utf-8"))
    assert (found["n_kb"], found["n_test"], found["unreadable"]) == (40, 8, 3)
    assert "row 41, description: few.jsonl: Row 41" in result.err
    assert "row 9, id: bad.jsonl: Row 9" in result.err
    assert "row 10, " in result.err


@pytest.mark.parametrize(
    ("fields", "says"),
    [("colour", "colour"), ("category,colour", "colour"), ("revision", "revision")],
)
def test_a_field_without_a_column_is_a_clear_error(fields: str, says: str, folder: Path) -> None:
    result = tamiz("evaluate", "--kb", folder / "kb.jsonl", "--test", folder / "test.jsonl", "--fields", fields)
    assert result.code == 1
    assert says in result.err


def test_no_field_is_a_usage_error(folder: Path) -> None:
    assert tamiz("evaluate", "--kb", folder / "kb.jsonl", "--test", folder / "test.jsonl", "--fields", " , ").code == 2


def test_a_field_with_one_label_only_is_a_clear_error(folder: Path) -> None:
    write_rows(folder / "one.jsonl", [{**row, "category": "Red"} for row in rows_of(RESOLVED)[:40]])
    result = tamiz("evaluate", "--kb", folder / "one.jsonl", "--test", folder / "test.jsonl", "--fields", "category,urgency")
    assert result.code == 1
    assert "Nothing can be learnt for category" in result.err


def test_a_test_table_without_gold_labels_is_refused_before_anything_is_fitted(folder: Path) -> None:
    write_rows(folder / "blank.jsonl", [{**row, "urgency": ""} for row in labelled()])
    result, _ = evaluate(folder, "blank.jsonl")
    assert result.code == 1
    assert "The test table has no values for urgency" in result.err


def test_results_that_could_not_be_written_are_refused_at_once(folder: Path) -> None:
    result = tamiz(
        "evaluate", "--kb", folder / "kb.jsonl", "--test", folder / "test.jsonl", "--fields", "category", "--json", "no/such.json"
    )
    assert result.code == 1
    assert "no/such.json can't be written" in result.err
