"""What others did at the desk after our writes: found over HTTP, kept in the journal once, shown to people, settled by them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from batch.aftermath import closed_exemplars, later_changes
from batch.review_view import view
from batch.reviewing import BUNDLED, ReviewDesk
from core.errors import DeskError
from observability.journal import Journal
from observability.records import RunStarted, now
from review.corrections import judged
from tests.batch.aftermath_examples import DONE, LABELS, Scene, scene, settings_for
from tests.batch.commands_examples import example_taxonomy, running_desk, tamiz
from tests.observability.journal_examples import VERSIONS


@pytest.fixture
def at(blank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with scene(tmp_path, 2) as made:
        for name, value in settings_for(made.desk, made.home).items():
            monkeypatch.setenv(name, value)
        yield made


def noted(at: Scene) -> list[tuple[str, str, str, str]]:
    return [(one.what, one.field, one.ours, one.theirs) for one in at.noted()]


def test_nothing_happened_nothing_is_noted(at: Scene) -> None:
    at.write()
    assert later_changes(at.house()) == 0
    assert at.state() == "accepted"


def test_what_others_change_is_noted_once_with_labels_only(at: Scene) -> None:
    record = at.write()
    at.act("Ana Pérez", fields={"category": "correo y colaboración", "urgency": "Baja", "assignment_group": "los de siempre"})
    at.act("Ana Pérez", fields={"assignee": "Luis Gómez", "impact": "Alto"})
    at.act("Jefa", fields={"assignee": "Ana Pérez", "urgency": "media"})
    assert later_changes(at.house()) == 5
    assert noted(at) == [
        ("changed", "category", "Red", "Correo y colaboración"),
        ("reprioritised", "urgency", "Alta", "Baja"),
        ("reassigned", "assignment_group", "Redes y comunicaciones", ""),
        ("reassigned", "assignee", "", ""),
        ("reprioritised", "urgency", "Alta", "Media"),
    ]
    assert {(one.run, one.revision) for one in at.noted()} == {("run-1", record.revision)}
    assert later_changes(at.house()) == 0
    (at.home / "looks" / "later.json").unlink()
    assert later_changes(at.house()) == 0
    bodies = "".join(one.model_dump_json() for one in at.noted())
    assert "Ana" not in bodies
    assert "Luis" not in bodies
    assert "siempre" not in bodies


def test_what_happened_before_our_write_or_without_one_is_not_noted(at: Scene) -> None:
    at.act("ana", fields={"assignment_group": "Datos"})
    at.act("ana", fields={"assignment_group": "Seguridad"})
    at.write({"category": "Red"})
    at.write({"urgency": "Alta"}, "B", "suggested")
    at.act("ana", "B", fields={"urgency": "Baja", "category": "Datos e informes"}, status="closed")
    at.act("ana", "B", status="open")
    assert later_changes(at.house()) == 0
    at.act("ana", fields={"assignment_group": "Datos", "impact": "Bajo"})
    later_changes(at.house())
    assert noted(at) == [("reassigned", "assignment_group", "", "Datos")]


def test_another_spelling_is_no_change_and_a_label_set_back_is_no_doubt(at: Scene) -> None:
    at.write()
    at.act("ana", fields={"category": "RED"})
    assert later_changes(at.house()) == 0
    at.act("ana", fields={"category": "Seguridad"})
    assert later_changes(at.house()) == 1
    assert at.state() == "doubted"
    at.act("ana", fields={"category": "Red"})
    assert later_changes(at.house()) == 1
    assert at.state() == "accepted"


@pytest.mark.parametrize(
    ("words", "reopened"),
    [
        (["Muchas gracias, saludos, Eva"], False),
        (["gracias!!", "👍"], False),
        (["Gracias pero sigue sin funcionar"], True),
        (["gracias", "ah, no, otra vez se corta"], True),
        ([], True),
        (["..."], True),
        (["Gracias\n\nEl lun, 3 mar 2025 a las 10:11, Soporte <s@x.example> escribió:\n> Se reinició. ¿Sigue igual?"], False),
    ],
)
def test_thanks_are_no_reopening(at: Scene, words: list[str], reopened: bool) -> None:
    at.write()
    at.act("Luis Gómez", comment=DONE, status="closed")
    for word in words[:1]:
        at.comment("Eva Soler", word)
    at.act("system", status="open")
    for word in words[1:]:
        at.comment("Eva Soler", word)
    assert later_changes(at.house()) == int(reopened)
    assert noted(at) == [("reopened", "status", "", "")] * reopened
    assert at.state() == ("doubted" if reopened else "accepted")


def test_a_complaint_after_the_thanks_is_found_by_a_later_look(at: Scene) -> None:
    at.write()
    at.act("Luis", status="resolved")
    at.act("Eva Soler", status="open", comment="Gracias", public=True)
    assert later_changes(at.house()) == 0
    at.comment("Eva Soler", "pues vuelve a fallar")
    assert later_changes(at.house()) == 1
    assert at.noted()[0].what == "reopened"


def test_resolved_to_closed_is_no_reopening(at: Scene) -> None:
    at.write()
    for status in ("resuelto", "Cerrado", "en curso"):
        at.act("Luis", status=status)
    later_changes(at.house())
    assert [one.what for one in at.noted()] == ["reopened"]


def test_a_doubted_ticket_waits_and_a_verdict_settles_it(at: Scene) -> None:
    at.write()
    at.act("ana", fields={"category": "Aplicación"})
    later_changes(at.house())
    result = tamiz("review", "list", "--json")
    assert result.code == 0, result.err
    listed = result.json
    assert [(one["ticket"], one["state"]) for one in listed["tickets"]] == [("A", "doubted")]
    assert "changed later at the desk: category Red -> Aplicación" in tamiz("review", "show", "A").out
    with Journal(at.home / "journal.sqlite") as journal:
        assert judged(journal.about_judged(), example_taxonomy()).rows == ()  # unconfirmed it teaches nothing
    desk = ReviewDesk(at.house(), "ana")
    desk.skip("A")
    assert [one.state for one in desk.waiting()] == ["skipped"]
    result = tamiz("review", "correct", "A", "category=Aplicación", "urgency=Baja", "--json", "--who", "ana")
    assert (result.code, result.json["desk"]) == (0, "written"), result.err
    assert at.desk.tickets()["A"]["fields"]["urgency"] == "Baja"
    assert desk.waiting() == []
    assert at.state() == "judged"
    with Journal(at.home / "journal.sqlite") as journal:
        (learned,) = judged(journal.about_judged(), example_taxonomy()).rows
    assert learned.labels["category"] == "Aplicación"
    assert later_changes(at.house()) == 0


def test_what_is_changed_after_a_verdict_is_doubted_again(at: Scene) -> None:
    record = at.write()
    verdict = at.judge(record, LABELS)
    assert at.state() == "judged"
    at.act("ana", fields={"category": "Seguridad"})
    later_changes(at.house())
    assert at.noted()[0].changed_at > verdict.at
    assert at.state() == "doubted"
    at.judge(record, LABELS)
    assert at.state() == "judged"


def test_a_change_between_two_of_our_writes_is_found(at: Scene) -> None:
    first = at.write({"category": "Red"})
    at.act("ana", fields={"category": "Seguridad"})
    at.write({"urgency": "Alta"})
    assert later_changes(at.house()) == 1
    assert [(one.field, one.revision) for one in at.noted()] == [("category", first.revision)]
    assert at.state() == "doubted"


def test_a_look_that_fails_notes_nothing_and_the_next_finds_it(at: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    at.write()
    at.act("ana", fields={"category": "Seguridad"})
    with monkeypatch.context() as away:
        away.setenv("TAMIZ_DESK__URL", "http://127.0.0.1:9")
        with pytest.raises(DeskError):
            later_changes(at.house())
    assert not (at.home / "looks").exists()
    assert later_changes(at.house()) == 1


def test_runs_over_another_desk_are_not_confused(at: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    at.write()
    at.act("ana", fields={"category": "Seguridad"})
    monkeypatch.setenv("TAMIZ_DESK__URL", at.desk.url.replace("127.0.0.1", "localhost"))
    assert later_changes(at.house()) == 0


def test_without_a_journal_there_is_nothing_to_look_for(at: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAMIZ_DESK__URL", "http://127.0.0.1:9")
    assert later_changes(Scene(tmp_path / "other", at.desk).house()) == 0


def test_the_bundled_desk_is_started_for_the_look(at: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_desk(tmp_path / "bundled" / "mock-desk") as bundled, monkeypatch.context() as there:
        there.setenv("TAMIZ_DESK__URL", bundled.url)
        made = Scene(tmp_path / "bundled", bundled)
        started = RunStarted(run="run-1", at=now(), source=BUNDLED, dry_run=False, versions=VERSIONS, settings={})
        with Journal(made.home / "journal.sqlite") as journal:
            journal.append([started])
        made.write({"category": "Red"}, "T-2001")
        made.act("ana", "T-2001", fields={"category": "Datos e informes", "resolution": DONE}, status="closed")
    monkeypatch.delenv("TAMIZ_DESK__URL")
    assert later_changes(made.house()) == 1
    assert [(one.ticket_id, one.theirs) for one in made.noted()] == [("T-2001", "Datos e informes")]
    found, refused, _ = closed_exemplars(made.house())
    assert [(one.source, one.source_id, one.labels) for one in found] == [(BUNDLED, "T-2001", {"category": "Datos e informes"})]
    assert refused == {}


def test_a_page_shows_what_was_changed_later_in_both_languages(at: Scene) -> None:
    at.write()
    at.act("ana", fields={"category": "Aplicación"})
    at.act("Luis", status="closed")
    at.act("ana", status="open", comment="No funciona", public=True)
    later_changes(at.house())
    (review,) = ReviewDesk(at.house(), "ana").waiting()
    pages = {language: view(review, example_taxonomy(), {}, language, 65.0) for language in ("es", "en")}
    assert pages["es"].why == [
        "cambiado después en la mesa: category Red -> Aplicación",
        "cambiado después en la mesa: se reabrió",
    ]
    assert pages["en"].why[0] == "changed later at the desk: category Red -> Aplicación"
    assert any("category Red -> Aplicación" in line for line in pages["en"].history)


def test_the_bundled_desk_is_not_started_where_no_run_did(at: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAMIZ_DESK__URL")
    assert later_changes(at.house()) == 0
    assert closed_exemplars(at.house())[:2] == ([], {})
    assert not (at.home / "mock-desk").exists()
