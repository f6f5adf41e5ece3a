"""The report pages: well-formed, self-contained, safe against what tickets say, complete, in both languages, always the same."""

import copy
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from batch.charts_evaluation import MOST_LABELS, confusion
from batch.report import render_evaluation, render_run
from batch.report_language import Language, Words
from batch.report_models import Confusion
from core.errors import InputError
from tests.batch.report_examples import EXEMPLAR, Page, evaluation_document, hostile, run_document

ROOT = Path(__file__).parents[2]
LANGUAGES: tuple[Language, Language] = ("es", "en")
Render = Callable[[Mapping[str, Any], Language], str]
PAGES = [pytest.param(render_run, run_document, id="run"), pytest.param(render_evaluation, evaluation_document, id="evaluation")]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("render", "document"), PAGES)
def test_a_page_is_well_formed_and_says_its_language(render: Render, document: Callable[[], Any], language: Language) -> None:
    text = render(document(), language)
    page = Page(text)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert ("html", "lang", language) in page.attributes
    assert ("meta", "content", "width=device-width, initial-scale=1") in page.attributes
    assert text.startswith("<!doctype html>")
    anchors = {value.removeprefix("#") for value in page.values("href") if value.startswith("#")}
    assert anchors <= set(ids)
    named = {name for value in page.values("aria-labelledby") for name in value.split()}
    assert named <= set(ids)
    assert page.tags.count("svg") == len(page.values("aria-labelledby")) > 1
    assert page.tags.count("style") == 1  # a drawing's own would apply to the whole page


@pytest.mark.parametrize(("render", "document"), PAGES)
def test_nothing_is_loaded_from_outside_and_nothing_runs(render: Render, document: Callable[[], Any]) -> None:
    text = render(document(), "en")
    page = Page(text)
    assert "http" not in text.replace("http-equiv", "")
    assert not re.search(r"@import|javascript:|url\((?!#)", text)
    assert not {"script", "iframe", "object", "embed", "base", "form", "img"} & set(page.tags)
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name in ("src", "srcset", "action")]
    assert all(value == "data:," or value.startswith("#") for value in page.values("href"))
    policy = next(value for value in page.values("content") if "default-src" in value)
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("render", "document"), PAGES)
def test_hostile_text_is_only_text(render: Render, document: Callable[[], Any], language: Language) -> None:
    clean = Page(render(document(), language))
    text = render(hostile(document()), language)  # type: ignore[arg-type]
    page = Page(text)
    text.encode("utf-8")
    assert sorted(set(page.tags)) == sorted(set(clean.tags))
    assert {name for _, name, _ in page.attributes} == {name for _, name, _ in clean.attributes}
    assert all(value == "data:," or value.startswith("#") for value in page.values("href"))
    assert not [value for value in page.values("style") if "evil" in value]
    assert "<script>alert(1)</script>" in page.said
    assert "{{ 7*7 }}" in page.said
    assert not re.search("[\x00\x1b\u202e\ud800]", text)


def test_dollar_signs_in_a_chart_are_no_formula() -> None:
    drawn = Page(render_run({"groups": {"Costs $\\nosuch{1}$": {"accepted": 1}}}, "en"))
    assert drawn.said.count("Costs $\\nosuch{1}$") == 2  # in the drawing and in its description


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_ticket_and_every_piece_of_evidence_is_there(language: Language) -> None:
    page = Page(render_run(run_document(), language))
    for ticket in run_document()["tickets"]:
        assert page.said.count(f"{ticket['id']} ") >= 2  # as id and in its summary
    assert page.values("title").count(EXEMPLAR) == 4
    assert page.said.count(EXEMPLAR) == 4  # the resolutions'
    assert "short-1" in page.said
    assert page.tags.count("details") == 4
    assert "experts linear a1" in page.said


def test_the_page_speaks_its_language_and_leaves_tickets_as_they_are() -> None:
    spanish, english = (Page(render_run(run_document(), language)).said for language in LANGUAGES)
    assert "el crítico le da 64 de 100" in spanish
    assert "the critic gives it 64 of 100" in english
    assert "Simulación" in spanish
    assert "Dry run" in english
    assert "3,1 tickets por segundo" in spanish
    assert "3.1 tickets per second" in english
    assert "Grupo de asignación" not in english
    assert "Summary of T-1" in spanish
    assert "their own field" in spanish


def test_a_rejected_score_is_never_rounded_up_to_the_line() -> None:
    said = Page(render_run(run_document(), "en")).said
    assert "64 /100" in said
    assert "65 /100" not in said


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_not_known_is_a_dash(language: Language) -> None:
    evaluation = Page(render_evaluation(evaluation_document(), language)).said
    said = f"{evaluation} {Page(render_run(run_document(), language)).said}"
    assert not re.search(r"\b(nan|NaN|None|null|inf)\b", said)
    assert "AUROC –" in evaluation


@pytest.mark.parametrize("render", [render_run, render_evaluation])
def test_an_empty_document_is_a_page(render: Render) -> None:
    said = Page(render({}, "es")).said
    assert "nan" not in said.split()


@pytest.mark.parametrize(("render", "document"), PAGES)
def test_rendering_changes_nothing_and_survives_json(render: Render, document: Callable[[], Any]) -> None:
    given = document()
    kept = copy.deepcopy(given)
    first = render(given, "en")
    assert repr(given) == repr(kept)
    assert render(json.loads(json.dumps(given)), "en") == first


def test_a_page_is_the_same_in_every_process_and_matplotlib_is_imported_late() -> None:
    script = (
        "import sys, json, hashlib; from batch.report import render_run, render_evaluation; "
        "assert 'matplotlib' not in sys.modules; run, evaluation = json.load(sys.stdin); "
        "print(hashlib.sha256((render_run(run, 'es') + render_evaluation(evaluation, 'en')).encode()).hexdigest())"
    )
    documents = json.dumps([run_document(), evaluation_document()])
    seen = {
        subprocess.run(
            [sys.executable, "-c", script], input=documents, text=True, check=True, capture_output=True, cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(seen) == 1


def test_the_run_as_a_whole() -> None:
    page = Page(render_run(run_document(), "en"))
    assert "No group: Accepted 0, Suggested 0, For a person 1" in page.said
    assert "About 260 more labelled tickets are needed, above all of “Media”." in page.said
    assert "17 created No date. Write dd/mm/yyyy." in page.said
    assert "Red <1%" in page.said.replace("\u00a0", " ")
    assert "var/journal.sqlite" in page.said


def test_the_evaluation_as_a_whole() -> None:
    page = Page(render_evaluation(evaluation_document(), "en"))
    assert "86.0% accuracy (95% CI 78.0–91.5%) on 100 tickets." in page.said
    assert "Better than svm, the best baseline (84.0%); hardly by chance (McNemar p = 0.004)." in page.said
    assert "More tickets alone" not in page.said
    assert "About 340 more labelled tickets are needed." in page.said
    assert "Red Correo 3 7%" in page.said  # the most frequent mix-up
    assert "(no proposal)" in page.said
    assert "Not measured." in page.said


def test_what_the_document_does_not_say_is_not_said() -> None:
    document = evaluation_document()
    del document["fields"]["category"]["coverage_at"]["0.98"]["needed"]
    assert "more labelled" not in Page(render_evaluation(document, "en")).said


@pytest.mark.parametrize(
    ("p", "ours", "expected"),
    [(0.2, 0.86, "may be chance"), (0.0001, 0.86, "Better than svm"), (0.01, 0.7, "Worse than svm"), (0.0001, 0.86, "p < 0.001")],
)
def test_the_comparison_says_no_more_than_the_test(p: float, ours: float, expected: str) -> None:
    document = evaluation_document()
    document["fields"]["category"] |= {"accuracy": ours, "mcnemar_vs_best_baseline": {"name": "svm", "p": p}}
    assert expected in Page(render_evaluation(document, "en")).said


def test_rare_labels_of_a_large_confusion_matrix_are_added_up() -> None:
    n = MOST_LABELS + 5
    labels = tuple(f"label {i}" for i in range(n))
    matrix = tuple(tuple(10 * (n - i) if i == j else int(j == 0) for j in range(n)) for i in range(n))
    drawn = str(confusion("c", "F", Confusion(labels=labels, matrix=matrix), Words("en")))
    assert "6 other labels: 210/216" in drawn  # 60 + 50 + ... + 10 right, six wrong
    assert "label 38:" in drawn
    assert "label 39:" not in drawn
    assert "min-width" in drawn


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ({"tickets": [{"id": "T-1", "outcome": "approved"}]}, "tickets.0.outcome"),
        ({"tickets_per_second": "fast"}, "tickets_per_second"),
    ],
)
def test_a_run_of_another_shape_is_refused(document: dict[str, Any], where: str) -> None:
    with pytest.raises(InputError, match=re.escape(where)):
        render_run(document, "en")


def test_a_confusion_matrix_that_is_not_square_is_refused() -> None:
    document = evaluation_document()
    document["fields"]["category"]["curves"]["confusion"]["matrix"][0].pop()
    with pytest.raises(InputError, match="matrix"):
        render_evaluation(document, "en")


def test_another_language_is_refused() -> None:
    with pytest.raises(InputError, match="'fr'"):
        render_run(run_document(), "fr")  # type: ignore[arg-type]
