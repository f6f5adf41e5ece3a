"""The benchmark of the model alone: whom it asks, and that its parts add up."""

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import language
from core.metrics import wilson_interval

WORDS = {
    "network": ("wifi", "vpn", "router", "switch", "cable", "antena"),
    "printing": ("toner", "bandeja", "plotter", "escáner", "papel", "cartucho"),
}
PHRASES = ("no funciona el {} de la planta {}", "the {} on floor {} is broken again", "se cae el {} del despacho {}")


def _table(file: Path, numbers: range) -> Path:
    rows = [
        (f"{label}-{word}-{number}", PHRASES[number % 3].format(word, 7 * number + 1), label, f"phrase {number % 3}")
        for number in numbers
        for label, words in WORDS.items()
        for word in words
    ]
    with file.open("w", encoding="utf-8", newline="") as table:
        csv.writer(table).writerows([("id", "description", "category", "kind"), *rows])
    return file


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """36 exemplars of which the first 10 drawn are skipped, and the first 5 of 12 test tickets."""
    folder = tmp_path_factory.mktemp("language")
    kb, test = _table(folder / "kb.csv", range(3)), _table(folder / "test.csv", range(3, 4))
    with pytest.MonkeyPatch.context() as patch:
        lines: list[str] = []
        asked = f"--kb {kb} --test {test} --fields category,kind --limit 5 --held-out 100 --skip 10"
        patch.setattr(sys, "argv", ["language", *asked.split()])
        patch.setattr(sys.stdout, "write", lines.append)
        language.main()
    result: dict[str, Any] = json.loads("".join(lines))
    return result


def test_it_asks_the_test_and_the_exemplars_that_are_not_skipped(told: dict[str, Any]) -> None:
    assert [told[part]["n"] for part in ("test", "held_out", "together")] == [5, 26, 31]


@pytest.mark.parametrize("who", ["vote", "model", "model_with_shares_only", "model_without_exemplars", "prior"])
def test_what_is_right_of_both_is_the_sum(told: dict[str, Any], who: str) -> None:
    share = {part: float(told[part]["category"][who].split()[0]) for part in ("test", "held_out", "together")}
    right = {part: round(share[part] * told[part]["n"]) for part in share}
    assert right["together"] == right["test"] + right["held_out"]
    low, high = wilson_interval(right["together"], 31)
    assert told["together"]["category"][who] == f"{right['together'] / 31:.3f} ({low:.3f}-{high:.3f})"


@pytest.mark.parametrize("part", ["test", "held_out", "together"])
def test_all_fields_together_are_their_mean(told: dict[str, Any], part: str) -> None:
    by_field = [float(told[part][field]["model_less_vote"].split()[0]) for field in ("category", "kind")]
    assert float(told[part]["all_fields"]["model_less_vote"].split()[0]) == pytest.approx(sum(by_field) / 2, abs=1.1e-3)


def test_nothing_asked_is_an_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["language", "--kb", str(_table(tmp_path / "kb.csv", range(1)))])
    with pytest.raises(SystemExit) as ended:
        language.main()
    assert ended.value.code == 2
    assert "give --test, --held-out or both" in capsys.readouterr().err


def test_no_tickets_left_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kb = _table(tmp_path / "kb.csv", range(2))
    monkeypatch.setattr(sys, "argv", f"language --kb {kb} --held-out 5 --skip 24".split())
    with pytest.raises(SystemExit, match="No held_out tickets are left"):
        language.main()
