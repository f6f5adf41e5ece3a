"""What is read beside the journal, and what people's verdicts say of fields, confidence and critic."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from observability.home_figures import home_figures, judged_figures
from observability.journal import Journal
from observability.metric_table import BESIDE, METRICS
from observability.metrics import JournalMetrics, exposition
from observability.records import HumanVerdict, Record, ReviewNote
from tests.observability.journal_examples import AT, Example

example = Example()


def said(ticket: str, action: str = "corrected", **labels: str) -> HumanVerdict:
    return HumanVerdict(run="run-1", at=AT, ticket_id=ticket, revision="r1", who="ana", action=action, labels=labels)


def figures(home: Path, *records: Record) -> dict[str, dict[str, float]]:
    with Journal(home / "journal.sqlite") as journal:
        journal.append([example.started(), example.started("dry", dry_run=True), *records])
        return {name: dict(values) for name, values in judged_figures(journal).items()}


def test_what_people_say_is_counted_by_field_gate_confidence_and_critic(tmp_path: Path) -> None:
    taken_back = said("T-5", "approved", category="network")
    found = figures(
        tmp_path,
        example.record("T-1", outcome="accepted"),
        example.record("T-2", outcome="escalated"),
        example.record("T-3", outcome="suggested"),
        example.record("T-4", outcome="refused"),
        example.record("T-5", outcome="accepted"),
        example.record("T-6", outcome="accepted", run="dry"),
        example.record("T-7", outcome="accepted"),
        said("T-1", category="network", urgency="high"),
        said("T-2", category="access"),
        said("T-3", "rejected"),
        said("T-4", category="network"),
        taken_back,
        ReviewNote(run="run-1", at=AT, ticket_id="T-5", revision="r1", who="ana", state="undone", verdict=taken_back.digest),
        said("T-6", category="network"),
    )
    assert found["tamiz_field_judgements"] == {
        '["category", "written", "yes"]': 1,  # T-1: network was written and is right
        '["urgency", "held", "no"]': 1,  # T-1: low was proposed, high is right
        '["category", "held", "no"]': 1,  # T-2
    }
    assert found["tamiz_confidence_judgements"] == {
        '["category", "0.90-0.95", "yes"]': 1,
        '["category", "0.90-0.95", "no"]': 1,
        '["urgency", "0.50-0.70", "no"]': 1,
    }
    assert found["tamiz_critic_judgements"] == {
        '["approved", "corrected"]': 1,
        '["rejected", "corrected"]': 1,
        '["approved", "rejected"]': 1,
        '["silent", "corrected"]': 1,
    }


def test_a_second_decision_of_a_ticket_is_the_one_that_counts(tmp_path: Path) -> None:
    first, second = example.record("T-1", outcome="escalated"), example.record("T-1", outcome="accepted")
    found = figures(tmp_path, first, said("T-1", category="network"), second)
    assert found["tamiz_field_judgements"] == {'["category", "written", "yes"]': 1}


def night(home: Path, name: str, *, ok: bool, error: str = "") -> None:
    folder = home / "nights" / name
    folder.mkdir(parents=True)
    started = datetime.strptime(name, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    phases = [{"phase": "collect", "seconds": 1.0, "error": ""}, {"phase": "drill", "seconds": 1.0, "error": error}]
    written = {"night": name, "started": started.isoformat(), "seconds": 60.0, "ok": ok, "phases": phases}
    (folder / "night.json").write_text(json.dumps(written), encoding="utf-8")


def test_nights_backups_drift_and_space(tmp_path: Path) -> None:
    night(tmp_path, "20260301T023000Z", ok=True)
    night(tmp_path, "20260302T023000Z", ok=False, error="no space")
    (tmp_path / "drift").mkdir()
    findings = [
        {"signal": "confidence", "p_adjusted": 0.002, "drifted": True},
        {"signal": "score", "p_adjusted": 1.0, "drifted": False},
        {"signal": "accuracy", "p_adjusted": None, "drifted": False},
    ]
    (tmp_path / "drift" / "report.json").write_text(json.dumps({"findings": findings}), encoding="utf-8")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name, age in (("tamiz-20260301T024000Z.tar.gz", 500), ("tamiz-20260301T024000Z.tar.gz.sha256", 100), ("other", 0)):
        (elsewhere / name).write_text("x", encoding="utf-8")
        os.utime(elsewhere / name, (10_000 - age, 10_000 - age))
    found = home_figures(tmp_path, elsewhere)
    first = datetime(2026, 3, 1, 2, 31, tzinfo=UTC)
    assert found["tamiz_night_last_success_timestamp_seconds"] == {"[]": first.timestamp()}
    assert found["tamiz_night_last_timestamp_seconds"] == {"[]": (first + timedelta(days=1)).timestamp()}
    assert found["tamiz_night_failed_phases"] == {"[]": 1.0}
    assert found["tamiz_backup_last_timestamp_seconds"] == {"[]": 9_900.0}
    assert found["tamiz_drift_found"] == {'["confidence"]': 1.0, '["score"]': 0.0}
    assert found["tamiz_drift_p_value"]['["confidence"]'] == 0.002
    assert 0 < found["tamiz_disk_free_bytes"]["[]"] < found["tamiz_disk_size_bytes"]["[]"]
    assert found.keys() == BESIDE.keys()
    assert not BESIDE.keys() & METRICS.keys()


def test_what_is_not_there_or_can_not_be_read_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "drift").mkdir()
    (tmp_path / "drift" / "report.json").write_text("[", encoding="utf-8")
    assert home_figures(tmp_path, tmp_path / "none").keys() == {"tamiz_disk_free_bytes", "tamiz_disk_size_bytes"}
    assert "tamiz_disk_free_bytes" in exposition(JournalMetrics(tmp_path, backups=tmp_path / "none"))
    assert "tamiz_disk_free_bytes" not in exposition(JournalMetrics(tmp_path))
