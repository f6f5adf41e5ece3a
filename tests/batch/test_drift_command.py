"""`drift` over a journal that the Journal class wrote: the table, the JSON, the reference that is kept, the exit codes."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batch.drifting import last_report, read_kept
from observability.drift.correction import LOOKS
from observability.journal import Journal
from observability.records import DecisionRecord, HumanVerdict, ReviewNote
from tests.batch.commands_examples import Result, tamiz
from tests.observability.journal_examples import Example

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SUBJECTS = ("La VPN no conecta", "No llega el correo", "La impresora no imprime", "Clave caducada", "Pantalla en negro")
NEW = "El escáner de huellas de la entrada no reconoce a nadie"
MAKE = Example()


def written(home: Path, day: Callable[[int], Mapping[str, Any]] = lambda day: {}, days: int = 35, *, dry: bool = False) -> None:
    """Twelve tickets a day for the days before NOW, a run a day; `day` says what is different on one."""
    rng = np.random.default_rng(5)
    (home / "kb").mkdir(parents=True, exist_ok=True)  # it is not the demo's home
    with Journal(home / "journal.sqlite") as journal:
        for ago in range(days, 0, -1):
            at, run = NOW - timedelta(days=ago, hours=-8), f"{'dry' if dry else 'run'}-{ago}"
            journal.append([MAKE.started(run, dry_run=dry).model_copy(update={"at": at})])
            one = MAKE.record(run=run)
            journal.append([_ticket(one, at, place, rng, day(ago)) for place in range(12)])


def _ticket(one: DecisionRecord, at: datetime, place: int, rng: np.random.Generator, change: Mapping[str, Any]) -> DecisionRecord:
    label = str(rng.choice(["network", "access"], p=[0.6, 0.4]))
    field = one.fusion["category"].model_copy(update={"label": label, "confidence": float(rng.beta(6, 2))})
    subject = str(rng.choice(SUBJECTS))
    name = f"{one.run}-{place}"
    outcome = "escalated" if rng.random() < 0.2 else "accepted"
    own = {"ticket_id": name, "text_digest": name, "at": at + timedelta(minutes=place), "outcome": outcome}
    return one.model_copy(update={**own, "subject": subject, "body": "", "fusion": {"category": field}, **change})


def drift(*more: object, until: datetime = NOW) -> Result:
    return tamiz("drift", "--until", until.strftime("%Y-%m-%dT%H:%M:%S"), "--json", *more)


def signals(result: Result) -> dict[str, Any]:
    return {one["signal"]: one for one in result.json["findings"]}


def test_a_quiet_journal_is_quiet(blank: Path) -> None:
    written(blank)
    result = drift("--no-embeddings")
    assert result.code == 0, result.err
    assert (result.json["drifted"], result.json["refit"], result.json["renewed"]) == ([], False, "first")
    assert (result.json["reference"]["tickets"], result.json["window"]["tickets"]) == (28 * 12, 7 * 12)
    assert signals(result)["accuracy"]["p_value"] is None


def test_more_escalations_end_with_three_and_name_tickets(blank: Path) -> None:
    written(blank, lambda ago: {"outcome": "escalated"} if ago <= 4 else {})
    result = drift("--no-embeddings")
    assert result.code == 3, result.err
    assert result.json["drifted"] == ["rejected"]
    found = signals(result)["rejected"]
    assert found["effect"] > 0.3
    assert set(found["examples"]) <= {f"run-{ago}-{place}" for ago in range(1, 6) for place in range(12)}
    shown = tamiz("drift", "--until", "2026-06-01", "--no-embeddings")
    assert shown.code == 3
    assert "DRIFT" in shown.out
    assert "More tickets go to a person" in shown.out


def test_a_new_topic_is_seen_in_what_the_texts_mean(blank: Path) -> None:
    written(blank, lambda ago: {"subject": NEW} if ago in (1, 2) else {})
    result = drift()
    assert result.code == 3, result.err
    assert "embeddings" in result.json["drifted"]
    named = set(signals(result)["embeddings"]["examples"])
    assert named <= {f"run-{ago}-{place}" for ago in (1, 2) for place in range(12)}


def test_the_report_speaks_spanish(blank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAMIZ_RUN__LANGUAGE", "es")
    written(blank, lambda ago: {"outcome": "escalated"} if ago <= 4 else {})
    shown = tamiz("drift", "--until", "2026-06-01", "--no-embeddings")
    assert "DERIVA" in shown.out
    assert "Más tickets acaban en una persona" in shown.out


def test_the_reference_stands_and_a_second_look_at_the_same_tickets_is_the_first(blank: Path) -> None:
    written(blank)
    early = NOW - timedelta(days=2)
    first, again, later = drift("--no-embeddings", until=early), drift("--no-embeddings", until=early), drift("--no-embeddings")
    assert {**first.json, "renewed": ""} == again.json
    assert [one.json["look"] for one in (first, again, later)] == [1, 1, 2]
    assert later.json["reference"] == first.json["reference"]
    assert later.json["window"]["version"] != first.json["window"]["version"]
    assert last_report(blank) == {name: value for name, value in later.json.items() if name != "renewed"}
    assert drift("--no-embeddings", "--renew").json["renewed"] == "asked"
    assert drift("--no-embeddings", "--days", "14").json["renewed"] == "overlap"


def test_when_its_looks_are_spent_a_reference_is_renewed(blank: Path) -> None:
    written(blank)
    drift("--no-embeddings")
    kept = read_kept(blank)
    assert kept is not None
    spent = kept.model_copy(update={"windows": tuple(map(str, range(LOOKS)))})
    (blank / "drift" / "reference.json").write_text(spent.model_dump_json(), encoding="utf-8")
    result = drift("--no-embeddings")
    assert (result.json["renewed"], result.json["look"]) == ("spent", 1)


def test_a_ticket_counts_once_and_dry_runs_do_not_count(blank: Path) -> None:
    written(blank)
    before = drift("--no-embeddings").json
    with Journal(blank / "journal.sqlite") as journal:
        again = next(r for r in journal.records(run="run-3", kind="decision") if isinstance(r, DecisionRecord))
        journal.append([again.model_copy(update={"at": NOW - timedelta(hours=1), "outcome": "escalated"})])
    written(blank, lambda ago: {"outcome": "escalated", "text_digest": "other"}, days=4, dry=True)
    after = drift("--no-embeddings").json
    assert (after["window"], after["look"]) == (before["window"], 1)


def test_verdicts_that_no_longer_agree_are_seen_and_taken_back_ones_do_not_count(blank: Path) -> None:
    written(blank)
    with Journal(blank / "journal.sqlite") as journal:
        decided = [r for r in journal.records(kind="decision") if isinstance(r, DecisionRecord)]
        new = {f"run-{ago}" for ago in range(1, 8)}
        said = [_said(one, right=one.run not in new) for one in decided[::2]]
        journal.append(said)
    result = drift("--no-embeddings")
    assert result.code == 3, result.err
    assert {"accuracy", "calibration"} <= set(result.json["drifted"])
    assert result.json["refit"]
    with Journal(blank / "journal.sqlite") as journal:
        undone = [
            ReviewNote(at=NOW, ticket_id=v.ticket_id, revision=v.revision, who="ana", state="undone", verdict=v.digest)
            for v in said
            if v.run in new
        ]
        journal.append(undone)
    assert signals(drift("--no-embeddings"))["accuracy"]["window"] == 0


def _said(one: DecisionRecord, *, right: bool) -> HumanVerdict:
    label = one.fusion["category"].label if right else "printer"
    return HumanVerdict(
        run=one.run, at=NOW, ticket_id=one.ticket_id, revision=one.revision, who="ana", labels={"category": label}
    )


def test_without_tickets_the_error_says_what_to_do(blank: Path) -> None:
    assert tamiz("drift").code == 1
    assert not (blank / "journal.sqlite").exists()
    written(blank, days=3)
    result = drift()
    assert result.code == 1
    assert "--reference-days" in result.err


def test_new_versions_since_the_reference_are_named(blank: Path) -> None:
    written(blank)
    with Journal(blank / "journal.sqlite") as journal:
        one = MAKE.started("newer")
        versions = one.versions.model_copy(update={"fit": "fit-3", "knowledge": "kb-8"})
        journal.append([one.model_copy(update={"at": NOW - timedelta(days=1), "versions": versions})])
    assert drift("--no-embeddings").json["changed"] == ["fit"]
    assert json.loads((blank / "drift" / "report.json").read_text(encoding="utf-8"))["changed"] == ["fit"]
