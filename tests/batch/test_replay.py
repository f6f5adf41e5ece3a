"""`replay` over a real run: what is exact needs no model, no ticket learns from itself, and nothing that serves is touched."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from batch.assemble import open_house
from batch.regate import Gate, Result, recorded, regated
from batch.replay_leaks import leaks_of, own_exemplars
from batch.replay_report import Replayed, report_of
from batch.settings import load_settings
from core.ticket import CleanTicket, Exemplar
from experts.artifacts import current_fit
from observability.journal import Journal
from observability.records import DecisionRecord, RunStarted
from tests.batch.commands_examples import (
    OPEN,
    copy_home,
    decisions,
    example_taxonomy,
    rows_of,
    tamiz,
    write_rows,
)
from tests.batch.commands_examples import (
    Result as Ran,
)

TAXONOMY = example_taxonomy()
MARK = 75.0
"""A stricter mark for the critic than the default of 65."""


@pytest.fixture(scope="module")
def ran(prepared_copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the open tickets were decided twice: by the default settings, then by a stricter critic."""
    tickets = write_rows(tmp_path_factory.mktemp("open") / "open.jsonl", rows_of(OPEN)[:60])
    with pytest.MonkeyPatch.context() as patch:
        assert tamiz("run", tickets, "--json").code == 0
        patch.setenv("TAMIZ_CRITIC__APPROVE_AT", str(MARK))
        assert tamiz("run", tickets, "--json").code == 0
    return prepared_copy


@pytest.fixture
def here(ran: Path, blank: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that home, in the settings."""
    copy_home(ran, blank)
    monkeypatch.setenv("TAMIZ_TAXONOMY", str(OPEN.parent / "taxonomy.yaml"))
    return blank


def runs(home: Path) -> list[tuple[RunStarted, dict[str, DecisionRecord]]]:
    with Journal(home / "journal.sqlite") as journal:
        entries = journal.runs()
    decided = decisions(home)
    return [(e.started, {d.ticket_id: d for d in decided if d.run == e.run}) for e in entries]


def replayed(*arguments: object) -> dict[str, Any]:
    result: Ran = tamiz("replay", "--json", *arguments)
    assert result.code == 0, result.err
    return result.json


def test_the_same_gate_gives_every_recorded_decision(ran: Path) -> None:
    for started, decided in runs(ran):
        for record in decided.values():
            assert regated(record, started, TAXONOMY, Gate({})) == recorded(record)


def test_what_is_said_without_the_pipeline_is_what_a_run_with_the_other_mark_decided(ran: Path) -> None:
    (started, default), (stricter, strict) = runs(ran)
    about = current_fit(ran)
    assert about is not None
    known = frozenset(about["critic"]["suspects"])
    for suspects, least in ((None, 15), (known, 25)):
        for (run, old), new, mark in (((started, default), strict, MARK), ((stricter, strict), default, 65.0)):
            said = {ticket: regated(record, run, TAXONOMY, Gate({}, mark), suspects) for ticket, record in old.items()}
            exact = {ticket: result for ticket, result in said.items() if result is not None}
            assert len(exact) >= least
            for ticket, result in exact.items():
                assert (result.outcome, result.written) == (new[ticket].outcome, new[ticket].written), ticket
    assert {t: d.outcome for t, d in default.items()} != {t: d.outcome for t, d in strict.items()}


def test_a_record_of_another_taxonomy_or_with_another_outcome_is_not_regated(ran: Path) -> None:
    (started, decided), _ = runs(ran)
    record = next(d for d in decided.values() if d.outcome == "accepted")
    other = started.model_copy(update={"versions": started.versions.model_copy(update={"taxonomy_digest": "x"})})
    assert regated(record, other, TAXONOMY, Gate({}, 70.0)) is None
    wrong = record.model_copy(update={"outcome": "suggested", "written": ()})
    assert regated(wrong, started, TAXONOMY, Gate({}, 70.0)) is None


def test_a_revision_is_not_regated_with_a_lower_mark_nor_a_first_attempt_that_would_fall(ran: Path) -> None:
    (started, decided), _ = runs(ran)
    record = next(d for d in decided.values() if d.outcome == "accepted" and d.attempt == 0 and d.verdict)
    second = record.model_copy(update={"attempt": 1})
    assert regated(record, started, TAXONOMY, Gate({}, 10.0)) is not None
    assert regated(second, started, TAXONOMY, Gate({}, 10.0)) is None
    assert regated(record, started, TAXONOMY, Gate({}, 100.0)) is None
    last = record.model_copy(update={"attempt": 2})
    fallen = regated(last, started, TAXONOMY, Gate({}, 100.0))
    assert fallen is not None
    assert (fallen.outcome, fallen.cause) == ("escalated", "rejected")


def test_thresholds_alone_need_no_index_and_agree_with_the_pipeline(here: Path) -> None:
    first = runs(here)[0][0].run
    whole = replayed("--run", first, "--model", "none", "--threshold", "0.4")
    (here / "kb" / "current").unlink()
    alone = replayed("--run", first, "--threshold", "0.4")
    assert (alone["regated"], whole["regated"]) == (alone["tickets"], 0)
    assert alone["outcomes"] == whole["outcomes"]
    rows = [{row["ticket"]: row["filled"] for row in one["rows"]} for one in (alone, whole)]
    assert rows[0] == rows[1]
    assert rows[0]
    assert all(len(new) >= len(old) for old, new in rows[0].values())


def test_replayed_as_it_was_nothing_changes_and_nothing_is_written(here: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (here / "fit").rglob("*")}
    count = len(decisions(here))
    report = replayed("--run", runs(here)[0][0].run)
    assert (report["changed"]["hits"], report["regated"]) == (0, 0)
    assert report["tickets"] > 50
    assert len(decisions(here)) == count
    assert {path: path.stat().st_mtime_ns for path in (here / "fit").rglob("*")} == before
    assert not (here / "replay").exists()


def test_a_ticket_does_not_copy_the_verdict_that_was_given_on_it(here: Path) -> None:
    record = next(d for d in decisions(here) if d.fusion and d.outcome != "accepted")
    urgency = next(x for x in TAXONOMY.labels("urgency") if x != record.fusion["urgency"].label)
    assert tamiz("review", "correct", record.ticket_id, f"urgency={urgency}", "--who", "ana").code == 0
    with open_house(load_settings(None)) as house:
        (own,) = house.corrections.current().exemplars
        cleaned = CleanTicket(record.ticket_id, record.subject, record.body, language=record.language)
        vectors = house.embedder.encode([cleaned.text])
        search = house.pipeline(house.fitted()).search
        leaks = leaks_of([record], house)
        plain, guarded = (find([cleaned], vectors, 30, [()])[0] for find in (search, leaks.without(search)))
    assert plain[0].exemplar.id == own.id
    assert own.id not in {one.exemplar.id for one in guarded}
    assert record.ticket_id not in leaks.learned
    report = replayed("--since", f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}")
    assert report["judged"] == 1
    field = next(one for one in report["fields"] if one["field"] == "urgency")
    assert (field["won"], field["lost"], field["old_right"]["hits"]) == (0, 0, 0)


def test_a_ticket_that_was_ingested_since_counts_in_no_comparison_and_the_fit_in_use_stays(here: Path, tmp_path: Path) -> None:
    record = next(d for d in decisions(here) if d.fusion and d.outcome != "accepted")
    assert tamiz("review", "approve", record.ticket_id, "--who", "ana").code == 0
    labels = {name: fused.label for name, fused in record.fusion.items()}
    closed = {"id": record.ticket_id, "subject": record.subject, "description": record.body, **labels, "resolution": "hecho"}
    assert tamiz("ingest", write_rows(tmp_path / "closed.jsonl", [closed])).code == 0
    in_use = (here / "fit" / "current").read_text()
    whole = replayed("--run", record.run)
    assert (whole["refitted"], whole["learned"], whole["judged"]) == (True, 1, 0)
    assert (here / "fit" / "current").read_text() == in_use
    assert (here / "replay" / "fit" / "current").exists()


def test_errors_say_what_to_do(here: Path) -> None:
    with open_house(load_settings(None)) as house:
        version = house.knowledge.version
    gone = tamiz("replay", "--kb", "0123456789abcdef")
    assert gone.code == 1
    assert version in gone.err
    assert replayed("--kb", version[:8], "--limit", "3")["tickets"] == 3
    for arguments, said in (
        (("--run", "1999"), "Runs in the journal"),
        (("--since", "2999-01-01"), "earlier day"),
        (("--threshold", "category=high"), "category=0.8"),
        (("--threshold", "colour=0.8"), "Fields that may be"),
        (("--prompt", "triage.v2"), "--model"),
    ):
        result = tamiz("replay", *arguments)
        assert result.code == 1, arguments
        assert said in result.err


def test_the_terminal_says_it_in_spanish(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAMIZ_RUN__LANGUAGE", "es")
    shown = tamiz("replay", "--run", runs(here)[0][0].run, "--threshold", "0.4")
    assert "No se ha escrito nada en ninguna mesa" in shown.out
    assert "> accepted" in shown.out


def test_counts_against_people_by_hand() -> None:
    def one(ticket: str, old: str, new: str, gold: str) -> Replayed:
        results = Result("suggested", {"category": old}), Result("accepted", {"category": new}, ("category",))
        return Replayed(ticket, "run", *results, gold={"category": gold} if gold else {})

    rows = [
        one("1", "a", "b", "b"),
        one("2", "a", "b", "b"),
        one("3", "a", "b", "a"),
        one("4", "a", "a", "a"),
        one("5", "a", "b", ""),
    ]
    report = report_of(rows, {})
    (field,) = report.fields
    assert (field.won, field.lost, field.changed.hits, field.old_right.hits, field.new_right.hits) == (2, 1, 4, 2, 3)
    assert (field.p, field.p_adjusted) == (1.0, 1.0)
    assert (report.filled_old.n, report.filled_new.hits, report.filled_new.n) == (0, 3, 4)
    assert report.outcomes == {"suggested > accepted": 5}
    assert len(json.dumps(report.as_json())) > 100


def test_own_exemplars_are_those_with_the_id_or_with_the_words_and_later(ran: Path) -> None:
    record = next(d for d in decisions(ran) if d.fusion)
    day = f"{record.at:%Y-%m-%d}"

    def exemplar(name: str, source_id: str, words: str, resolved_at: str) -> Exemplar:
        subject = record.subject if words == "same" else "otra cosa"
        return Exemplar(name, subject, record.body, source_id=source_id, resolved_at=resolved_at)

    made = [
        exemplar("own", record.ticket_id, "other", "2020-01-01"),
        exemplar("again", "R-1", "same", f"{day}T23:00:00"),
        exemplar("undated", "R-2", "same", ""),
        exemplar("earlier", "R-3", "same", "2020-01-01"),
        exemplar("stranger", "R-4", "other", ""),
    ]
    assert own_exemplars([record], made) == {record.ticket_id: frozenset({"own", "again", "undated"})}


@pytest.mark.slow
def test_a_lower_target_is_fitted_apart_and_fills_in_more(here: Path) -> None:
    in_use = (here / "fit" / "current").read_text()
    report = replayed("--run", runs(here)[0][0].run, "--target", "0.7")
    assert report["refitted"]
    assert {name: n for name, n in report["outcomes"].items() if name.startswith("accepted > ")}.keys() == {"accepted > accepted"}
    assert any(len(row["filled"][1]) > len(row["filled"][0]) for row in report["rows"])
    assert (here / "fit" / "current").read_text() == in_use
