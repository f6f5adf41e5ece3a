"""`run` and `prompt` with a language model: what it read and wrote is in the journal, and nothing it says gets past the rest."""

import json
from pathlib import Path

import pytest

from batch.assemble import open_house
from batch.settings import load_settings
from core.errors import SettingsError
from tests.batch.commands_examples import OPEN, RESOLVED, TAXONOMY_FILE, decisions, rows_of, tamiz, write_rows
from tests.llm.model_examples import serving, tiny_checkpoint

LABELS = ("category", "urgency")


@pytest.fixture
def reading(blank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with some of the history, and the tiny model in the settings."""
    monkeypatch.setenv("TAMIZ_TAXONOMY", str(TAXONOMY_FILE))
    monkeypatch.setenv("TAMIZ_LLM__MODEL", str(tiny_checkpoint()))
    monkeypatch.setenv("TAMIZ_LLM__TEMPLATE", "compact.v3")
    monkeypatch.setenv("TAMIZ_LLM__BUDGET", "500")
    some = [{k: row[k] for k in ("id", "subject", "description", "resolution", *LABELS)} for row in rows_of(RESOLVED)[:150]]
    write_rows(tmp_path / "history.jsonl", some)
    assert tamiz("ingest", tmp_path / "history.jsonl").code == 0
    return blank


def test_what_the_model_reads_and_writes_is_journalled(reading: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "open.jsonl", [{k: row[k] for k in ("id", "subject", "description")} for row in rows_of(OPEN)[:6]])
    result = tamiz("run", tmp_path / "open.jsonl", "--json")
    assert result.code == 0, result.err
    assert "language" in result.json["seconds"]
    read = [decision for decision in decisions(reading) if decision.generations]
    assert read
    for decision in read:
        (generation,) = decision.generations
        content = json.loads(generation.completion)
        assert set(content) == {*LABELS, "summary"}
        assert decision.body[:20].split("\n")[0] in generation.prompt
        assert set(decision.opinions["language"]) == set(LABELS)
        assert decision.summary_from == "extract"  # a model of random weights writes no ticket's words
        assert decision.summary
    shown = tamiz("prompt", read[0].ticket_id, "--json")
    assert shown.code == 0, shown.err
    assert shown.json["user"].strip() in read[0].generations[0].prompt
    assert 0 < shown.json["tokens"]["user"] <= 500


def test_a_fit_without_the_model_is_not_used_with_it(reading: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from experts.artifacts import current_fit

    monkeypatch.setenv("TAMIZ_LLM__MODEL", "none")
    assert tamiz("fit").code == 0
    without = current_fit(reading)
    assert without is not None
    monkeypatch.setenv("TAMIZ_LLM__MODEL", str(tiny_checkpoint()))
    assert tamiz("fit").code == 0
    with_it = current_fit(reading)
    assert with_it is not None
    assert tiny_checkpoint().name in with_it["embedder"]
    assert tiny_checkpoint().name not in without["embedder"]


def test_a_fit_belongs_to_the_prompts_it_was_made_with(reading: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from experts.artifacts import current_fit

    assert tamiz("fit").code == 0
    made = current_fit(reading)
    with open_house(load_settings(None)) as house:
        house.fitted()
    assert current_fit(reading) == made, "the same prompts need no other fit"
    monkeypatch.setenv("TAMIZ_LLM__TEMPLATE", "compact.v4")
    with open_house(load_settings(None)) as house:
        house.fitted()
    again = current_fit(reading)
    assert made is not None
    assert again is not None
    assert again["version"] != made["version"]
    assert "compact.v4" in again["embedder"]


@pytest.mark.parametrize(
    ("setting", "value"), [("OPTIONS", "4"), ("EXEMPLARS", "3"), ("BUDGET", "400"), ("CONTEXT", "context.txt")]
)
def test_a_model_that_is_asked_otherwise_needs_another_fit(
    reading: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, value: str
) -> None:
    (tmp_path / "context.txt").write_text("Proyecto Faro: cambio de la VPN a Atlas.", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with open_house(load_settings(None)) as house:
        before = house.models
    with open_house(load_settings(None)) as house:
        assert house.models == before
    monkeypatch.setenv(f"TAMIZ_LLM__{setting}", value)
    with open_house(load_settings(None)) as house:
        assert house.models != before


def test_context_enters_the_prompt_and_an_answer_is_shown_on_demand(reading: Path, tmp_path: Path) -> None:
    (tmp_path / "context.txt").write_text("Proyecto Faro: cambio de la VPN a Atlas.", encoding="utf-8")
    result = tamiz("prompt", "no va la vpn", "--answer", "--context", tmp_path / "context.txt")
    assert result.code == 0, result.err
    assert "<|context|>Proyecto Faro" in result.out
    assert json.loads(result.out.strip().splitlines()[-1]).keys() == {*LABELS, "summary"}
    assert "of 500; compact.v3" in result.err


def test_a_glossary_says_what_labels_mean(reading: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "glossary.yaml").write_text("Red: also what people call the tunnel\n", encoding="utf-8")
    monkeypatch.setenv("TAMIZ_LLM__BUDGET", "1500")
    monkeypatch.setenv("TAMIZ_LLM__GLOSSARY", str(tmp_path / "glossary.yaml"))
    result = tamiz("prompt", "no va la vpn")
    assert result.code == 0, result.err
    assert "also what people call the tunnel" in result.out
    with open_house(load_settings(None)) as house:
        assert "glossary@" in house.models, "a fit belongs to it"
    (tmp_path / "glossary.yaml").write_text("- a list\n", encoding="utf-8")
    result = tamiz("prompt", "no va la vpn")
    assert (result.code, "glossary" in result.err) == (1, True)


def test_search_in_other_words_is_journalled_and_a_fit_of_its_own(
    reading: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAMIZ_KNOWLEDGE__REPHRASE", "true")
    refused = tamiz("run", OPEN, "--limit", "1")
    assert refused.code == 1
    assert "a larger language model" in refused.err
    monkeypatch.setenv("TAMIZ_LLM__TEMPLATE", "triage.v2")
    monkeypatch.setenv("TAMIZ_LLM__BUDGET", "1500")
    write_rows(tmp_path / "open.jsonl", [{k: row[k] for k in ("id", "subject", "description")} for row in rows_of(OPEN)[:2]])
    result = tamiz("run", tmp_path / "open.jsonl", "--json")
    assert result.code == 0, result.err
    assert "rephrase" in result.json["seconds"]
    asked = [[generation.task for generation in decision.generations] for decision in decisions(reading)]
    assert ["rephrase", "triage"] in asked


def test_another_model_writes_the_summaries(reading: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAMIZ_LLM_SUMMARY__MODEL", "shipped")
    refused = tamiz("run", OPEN, "--limit", "1")
    assert refused.code == 1
    assert "llm_summary.model" in refused.err
    monkeypatch.setenv("TAMIZ_LLM_SUMMARY__MODEL", str(tiny_checkpoint()))
    write_rows(tmp_path / "open.jsonl", [{k: row[k] for k in ("id", "subject", "description")} for row in rows_of(OPEN)[:3]])
    result = tamiz("run", tmp_path / "open.jsonl", "--json")
    assert result.code == 0, result.err
    assert "summarize" in result.json["seconds"]
    read = [decision.generations for decision in decisions(reading) if decision.generations]
    assert read
    for summary, triage in read:
        assert (summary.task, triage.task) == ("summary", "triage")
        assert json.loads(summary.completion).keys() == {"summary"}
        assert json.loads(triage.completion).keys() == {*LABELS}


def test_a_critics_reasons_are_asked_for_when_it_serves_and_not_in_a_fit(reading: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAMIZ_LLM_CRITIC__REASONS", "true")
    monkeypatch.setenv("TAMIZ_LLM_CRITIC__MODEL", "shipped")
    with open_house(load_settings(None)) as house, pytest.raises(SettingsError, match="A critic that says why needs a larger"):
        house.reviewer({})
    monkeypatch.setenv("TAMIZ_LLM_CRITIC__MODEL", str(tiny_checkpoint()))
    with open_house(load_settings(None)) as house:
        serving, fitting = house.reviewer({}, writes=True), house.reviewer({})
    assert serving is not None
    assert fitting is not None
    assert (serving.reasons, serving.writes, fitting.reasons, fitting.writes) == (True, True, True, False)


def test_without_a_model_the_prompt_command_says_what_to_do(reading: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAMIZ_LLM__MODEL", "none")
    result = tamiz("prompt", "no va")
    assert result.code == 1
    assert "No language model is set" in result.err
    assert "TAMIZ_LLM__MODEL" in result.err


def test_a_model_that_is_not_there_stops_the_command(reading: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAMIZ_LLM__MODEL", str(tmp_path / "nowhere"))
    result = tamiz("run", OPEN, "--limit", "3", "--dry-run")
    assert result.code == 1
    assert "can't be loaded" in result.err


def test_a_server_that_is_killed_after_the_fit_sends_every_ticket_to_a_person(
    reading: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real server process: the fit read from it, the run does not reach it any more."""
    with serving(tiny_checkpoint()) as (url, process):
        for name, value in {"URL": url, "MODEL": "tiny", "DIALECT": "vllm", "TIMEOUT_S": "20"}.items():
            monkeypatch.setenv(f"TAMIZ_LLM__{name}", value)
        monkeypatch.setattr("experts.fit.READ_BY_AUTHOR", 24)
        assert tamiz("fit").code == 0
        process.kill()
        process.wait()
        write_rows(tmp_path / "open.jsonl", [{k: row[k] for k in ("id", "subject", "description")} for row in rows_of(OPEN)[:4]])
        result = tamiz("run", tmp_path / "open.jsonl", "--json")
    assert result.code == 0, result.err
    decided = list(decisions(reading))
    assert len(decided) == 4
    for decision in decided:
        assert decision.outcome == "escalated"
        (cause,) = decision.causes
        assert (cause.code, cause.values["stage"]) == ("failed", "language")
        assert url in cause.values["error"]
