"""What the reports say besides the documents: the catalogue, numbers, thresholds in words."""

import math
import re
import string
from collections.abc import Callable
from pathlib import Path

import pytest

from batch.report import threshold_words
from batch.report_language import Language, Numbers, Words
from batch.report_models import ThresholdRow
from batch.report_words import NAMES, PLURALS, WORDS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (ThresholdRow(n=0), "no labelled tickets"),
        (ThresholdRow(n=50, needed=1200), "About 1,200 more"),
        (ThresholdRow(n=50, weakest="Red"), "alone would not do: “Red”"),
        (ThresholdRow(n=50, holds=True, value=0.8, coverage=0.5, precision=0.97, lower=0.95), "fills in 50.0%"),
    ],
)
def test_a_threshold_in_words(row: ThresholdRow, expected: str) -> None:
    assert expected in threshold_words(row, Words("en"))


@pytest.mark.parametrize(
    ("language", "written", "expected"),
    [
        ("en", lambda n: n.percent(0.9996), ">99%"),
        ("en", lambda n: n.percent(1.0), "100%"),
        ("en", lambda n: n.percent(0.0004), "<1%"),
        ("en", lambda n: n.percent(0.0), "0%"),
        ("es", lambda n: n.percent(0.8537, 1), "85,4\u00a0%"),
        ("es", lambda n: n.decimal(4000), "4000"),
        ("es", lambda n: n.decimal(38269.5, 1), "38\u202f269,5"),
        ("en", lambda n: n.decimal(38269), "38,269"),
        ("en", lambda n: n.decimal(math.nan), "–"),
        ("en", lambda n: n.interval([0.8, None]), "–"),
        ("en", lambda n: n.seconds(0.842), "0.84\u00a0s"),
        ("en", lambda n: n.seconds(59.9), "1\u00a0min 0\u00a0s"),
        ("es", lambda n: n.seconds(7440), "2\u00a0h 4\u00a0min"),
        ("es", lambda n: n.moment("2026-09-14T11:12:00+02:00"), "14 sep 2026, 09:12 UTC"),
        ("en", lambda n: n.moment("yesterday"), "yesterday"),
        ("en", lambda n: n.floor(64.99), "64"),
    ],
)
def test_numbers(language: Language, written: Callable[[Numbers], str], expected: str) -> None:
    assert written(Numbers(language)) == expected


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_the_catalogue_says_the_same_in_both_languages() -> None:
    pairs = [*WORDS.values(), *(pair for family in NAMES.values() for pair in family.values())]
    assert all(spanish and english for spanish, english in pairs)
    assert all(_fields(spanish) == _fields(english) for spanish, english in pairs)
    for spanish_forms, english_forms in PLURALS.values():
        assert len({frozenset(_fields(form)) for form in (*spanish_forms, *english_forms)}) == 1


def test_the_catalogue_has_no_word_that_nobody_says() -> None:
    sources = [
        *(ROOT / "batch").glob("report*.py"),
        *(ROOT / "batch").glob("charts*.py"),
        *(ROOT / "batch/templates").glob("*.jinja"),
    ]
    said = "\n".join(path.read_text(encoding="utf-8") for path in sources if path.name != "report_words.py")
    composed = ("_note", "_any")
    unsaid = [key for key in (*WORDS, *PLURALS) if not re.search(f"[\"']{key}[\"']", said) and not key.endswith(composed)]
    assert unsaid == []
