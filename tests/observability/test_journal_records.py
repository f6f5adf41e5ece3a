"""What is put on record, and that the published schema describes it."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import ValidationError

from core.triage import Decision
from observability.decisions import resolution_record
from observability.journal import Journal
from observability.records import SCHEMA_FILE, HumanVerdict, LaterChange, Record, RunStarted, parse_record, schema_text
from tests.observability.journal_examples import Example

example = Example()
SCHEMA: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))


def valid(line: str) -> bool:
    return bool(Draft202012Validator(SCHEMA, format_checker=FormatChecker()).is_valid(json.loads(line)))


def test_the_published_schema_is_the_one_the_code_generates() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), "run `python -m observability.records`"
    Draft202012Validator.check_schema(SCHEMA)


def test_every_kind_that_the_journal_writes_validates_and_nothing_else_does(tmp_path: Path) -> None:
    decisions = [example.record(f"T-{name}", outcome=name) for name in ("accepted", "suggested", "escalated", "refused")]
    verdict = HumanVerdict(run="run-1", at=datetime.now(UTC), ticket_id="T-1", revision="r1", who="ana", labels={"category": "x"})
    records: list[Record] = [
        example.started(),
        *decisions,
        example.write(decisions[0], "written", new_revision="r2"),
        verdict,
        LaterChange(
            run="run-1", at=verdict.at, ticket_id="T-1", revision="r1", what="changed", field="category", changed_at=verdict.at
        ),
        example.finished(),
    ]
    with Journal(tmp_path / "journal.sqlite3") as journal:
        journal.append(records)
        journal.export(tmp_path / "journal.jsonl")
    lines = (tmp_path / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 9
    assert all(valid(line) for line in lines)
    assert [parse_record(line) for line in lines] == records
    tampered = {**json.loads(lines[1]), "outcome": "perhaps"}
    assert not valid(json.dumps(tampered))
    assert not valid(json.dumps({**json.loads(lines[1]), "extra": 1}))


def test_a_decision_is_kept_whole() -> None:
    record = example.record(outcome="accepted")
    assert record.outcome == "accepted"
    assert record.written == ("category",)
    assert record.causes == ()
    assert record.attempt == 1
    assert (record.neighbours[0].exemplar, record.neighbours[0].labels) == ("ex-0", {"category": "network"})
    assert len(record.neighbours) == 30
    fused = record.fusion["category"]
    assert (fused.label, fused.confidence, fused.mode, fused.evidence) == ("network", 0.93, "autofill", ("ex-1", "ex-2"))
    assert (fused.weights, fused.temperature) == ({"vote": 0.6, "linear": 0.4}, 0.8)
    assert record.thresholds["category"].value == 0.9
    assert record.thresholds["urgency"].value is None
    assert record.resolution is not None
    assert (record.resolution.text, record.resolution.exemplar) == ("Se reinició el túnel.", "ex-1")
    assert record.verdict is not None
    assert record.verdict.avoid == ("ex-3", "ex-9")
    assert record.text_digest == example.decision().ticket.digest
    assert record.versions_digest == example.versions.digest


def test_a_refusal_has_no_triage_to_show() -> None:
    record = example.record(outcome="refused")
    assert (record.outcome, record.verdict, record.resolution, record.fusion) == ("escalated", None, None, {})
    assert [cause.code for cause in record.causes] == ["empty"]


@pytest.mark.parametrize("score", [math.nan, math.inf, np.float64("nan"), np.float32("nan")])
def test_a_score_that_could_not_be_computed_is_null(score: float) -> None:
    record = example.from_decision(example.decision(outcome="escalated", score=score))
    assert record.verdict is not None
    assert record.verdict.score is None
    assert valid(record.model_dump_json())


def test_the_digest_is_of_what_was_decided_not_of_when() -> None:
    record = example.record()
    again = record.model_copy(update={"run": "run-2", "at": record.at + timedelta(days=1), "seconds": {"embed": 9.0}})
    assert again.digest == record.digest
    assert parse_record(record.model_dump_json()).digest == record.digest  # type: ignore[union-attr]
    assert record.model_copy(update={"written": ()}).digest != record.digest


@settings(max_examples=60)
@given(text=st.text(alphabet=st.characters(), max_size=60))
def test_any_text_can_be_journalled(text: str) -> None:
    decision: Decision = example.with_text(text, f"{text}\x00\ud800")
    record = example.from_decision(decision)
    line = record.model_dump_json()
    assert "\n" not in line
    assert parse_record(line) == record
    assert valid(line)


def test_times_are_utc_and_naive_ones_are_refused() -> None:
    record = example.finished()
    madrid = datetime(2026, 3, 1, 9, 30, tzinfo=timezone(timedelta(hours=1)))
    assert type(record)(**{**record.model_dump(), "at": madrid}).at.isoformat() == "2026-03-01T08:30:00+00:00"
    with pytest.raises(ValidationError, match="timezone"):
        type(record)(**{**record.model_dump(), "at": datetime(2026, 3, 1)})


def test_no_secret_is_kept() -> None:
    settings_given = {
        "desk": {"url": "https://bot:hunter2@desk.example/api", "api_token": "hunter2", "headers": {"authorization": "hunter2"}},
        "pseudonym_key": "hunter2",
        "notes": ["Bearer hunter2hunter2", "GET /x?access_token=hunter2&page=2"],
        "max_tokens": 512,
        "tokenizer": "minilm",
        "smtp_password": "",
    }
    started = RunStarted(
        run="r",
        at=datetime.now(UTC),
        source="https://bot:hunter2@desk.example",
        dry_run=False,
        versions=example.versions,
        settings=settings_given,
    )
    line = started.model_dump_json()
    assert "hunter2" not in line
    assert started.settings["max_tokens"] == 512
    assert started.settings["tokenizer"] == "minilm"
    assert started.settings["smtp_password"] == ""
    assert '"desk":{"url":"https://***@desk.example/api","api_token":"***"' in line
    assert "page=2" in line


def test_unknown_fields_and_kinds_are_refused() -> None:
    body = json.loads(example.finished().model_dump_json())
    for wrong in ({**body, "mood": "good"}, {**body, "kind": "rumour"}, {**body, "schema_version": 2}):
        with pytest.raises(ValidationError):
            parse_record(json.dumps(wrong))


def test_a_resolution_keeps_its_exemplar() -> None:
    triage = example.decision().outcome.triage
    assert triage is not None
    assert resolution_record(triage.resolution).exemplar == "ex-1"
