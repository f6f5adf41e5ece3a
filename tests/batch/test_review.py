"""`review`: what a person says is kept, searched at once, written to the desk, learned from, and can be taken back."""

import io
import sys
from pathlib import Path

import pytest

from batch.assemble import open_house
from batch.settings import load_settings
from core.errors import DeskError
from observability.journal import Journal
from observability.records import HumanVerdict, ReviewNote, now
from review.corrections import judged
from servicedesk.http import HttpDesk
from tests.batch.commands_examples import Desk, Result, decisions, example_taxonomy, tamiz, write_rows

WHO = ("--who", "ana")


def waiting(*arguments: str) -> list[str]:
    result = tamiz("review", "list", "--json", "--limit", "100", *arguments)
    assert result.code == 0, result.err
    return [ticket["ticket"] for ticket in result.json["tickets"]]


def proposed(home: Path, ticket: str) -> dict[str, str]:
    return {f: one.label for f, one in next(d for d in decisions(home) if d.ticket_id == ticket).fusion.items()}


@pytest.fixture
def ticket(home: Path, desk: Desk) -> str:
    """One that was held back, of which something was proposed."""
    result = tamiz("run", "--json")
    assert result.code == 0, result.err
    return next(name for name in waiting() if proposed(home, name))


def other(home: Path, ticket: str, field: str) -> str:
    return next(label for label in example_taxonomy().labels(field) if label != proposed(home, ticket)[field])


def away(*_: object, **__: object) -> None:
    """In the place of `HttpDesk.write`: nothing answers."""
    raise DeskError("Nothing answers.", remedy="Start it.")


def test_the_queue_holds_what_was_not_accepted_and_orders_it(home: Path, desk: Desk, ticket: str) -> None:
    held = {d.ticket_id for d in decisions(home) if d.outcome != "accepted"}
    assert set(waiting()) == set(waiting("--order", "urgency")) == held
    assert waiting("--order", "oldest") == [d.ticket_id for d in decisions(home) if d.ticket_id in held]
    empty = [d.ticket_id for d in decisions(home) if not d.fusion]
    assert set(waiting("--order", "teaches")[-len(empty) :]) == set(empty)
    tamiz("review", "skip", ticket)
    assert waiting()[-1] == ticket


def test_a_correction_is_written_to_the_desk_once_and_can_be_taken_back(home: Path, desk: Desk, ticket: str) -> None:
    urgency = other(home, ticket, "urgency")
    before = desk.tickets()[ticket]
    result = tamiz("review", "correct", ticket, f"urgency={urgency.upper()}", "--reason", "toda la sede", "--json", *WHO)
    assert result.code == 0, result.err
    assert result.json["desk"] == "written"
    wanted = proposed(home, ticket) | {"urgency": urgency}
    held = desk.tickets()[ticket]["fields"]
    assert {f: held[f] for f in wanted} == wanted
    assert "toda la sede" in desk.comments(ticket)[-1]["body"]
    assert ticket not in waiting()
    writes = desk.writes()[ticket]
    assert tamiz("review", "settle").code == 0
    assert tamiz("run", "--json").json["totals"]["tickets"] == 0
    assert desk.writes()[ticket] == writes
    undone = tamiz("review", "undo", ticket, "--json", *WHO)
    assert undone.json["desk"] == "written"
    assert desk.tickets()[ticket]["fields"] == before["fields"]
    assert ticket in waiting()
    assert tamiz("review", "undo", ticket).code == 1


def test_a_correction_answers_the_next_similar_ticket_until_it_is_taken_back(
    home: Path, desk: Desk, ticket: str, tmp_path: Path
) -> None:
    label = other(home, ticket, "urgency")
    text = next(d for d in decisions(home) if d.ticket_id == ticket)
    again = write_rows(tmp_path / "again.jsonl", [{"id": "N-1", "subject": text.subject, "description": f"{text.body} gracias"}])

    def nearest() -> tuple[str, str, str]:
        assert tamiz("run", again, "--json").code == 0
        last = decisions(home)[-1]
        return last.neighbours[0].exemplar, last.neighbours[0].labels.get("urgency", ""), last.ticket_id

    before = nearest()
    result = tamiz("review", "correct", ticket, f"urgency={label}", *WHO)
    assert result.code == 0, result.err
    exemplar, said, ticket_id = nearest()
    assert (said, ticket_id) == (label, "N-1")
    assert exemplar != before[0]
    record = decisions(home)[-1]
    assert (record.opinions["vote"]["urgency"][label] or 0.0) > 0.5
    with Journal(home / "journal.sqlite") as journal:
        learned = judged(journal.about_judged(), example_taxonomy()).rows
    assert [(e.id, e.labels["urgency"], e.source_id) for e in learned] == [(exemplar, label, ticket)]
    assert tamiz("review", "undo", ticket, *WHO).code == 0
    assert nearest() == before


def test_a_run_that_is_under_way_hears_the_next_word(home: Path, desk: Desk, ticket: str) -> None:
    with open_house(load_settings(None)) as house:
        before = house.versions().knowledge
        assert house.corrections.current().exemplars == ()
        with Journal(home / "journal.sqlite") as journal:  # as another process says it: the index is in use here
            decision = next(d for d in decisions(home) if d.ticket_id == ticket)
            given = HumanVerdict(
                run=decision.run, at=now(), ticket_id=ticket, revision=decision.revision, who="ana",
                labels={"urgency": other(home, ticket, "urgency")},
            )  # fmt: skip
            journal.append([given])
        (heard,) = house.corrections.current().exemplars
        assert (heard.source_id, heard.labels) == (ticket, given.labels)
        assert house.versions().knowledge != before
        with Journal(home / "journal.sqlite") as journal:
            undone = ReviewNote(
                at=now(), ticket_id=ticket, revision=decision.revision, who="ana", state="undone", verdict=given.digest
            )
            journal.append([undone])
        assert house.corrections.current().exemplars == []
        assert house.versions().knowledge == before


def test_a_rejection_confirms_nothing_and_writes_nothing(home: Path, desk: Desk, ticket: str) -> None:
    writes = desk.writes()[ticket]
    result = tamiz("review", "reject", ticket, "--reason", "dos problemas", "--json", *WHO)
    assert (result.json["labels"], result.json["desk"]) == ({}, "")
    assert desk.writes()[ticket] == writes
    assert ticket not in waiting()
    with Journal(home / "journal.sqlite") as journal:
        assert judged(journal.about_judged(), example_taxonomy()).rows == ()


def test_a_ticket_that_changed_meanwhile_is_not_written_and_the_verdict_counts(home: Path, desk: Desk, ticket: str) -> None:
    desk.edit(ticket, description="otra cosa")
    result = tamiz("review", "approve", ticket, "--json", *WHO)
    assert (result.code, result.json["desk"]) == (0, "conflict")
    assert ticket not in waiting()


def test_what_somebody_else_filled_in_is_left_alone(home: Path, desk: Desk, ticket: str) -> None:
    theirs = other(home, ticket, "urgency")
    desk.edit(ticket, fields={"urgency": theirs})
    tamiz("run", "--json")
    result = tamiz("review", "correct", ticket, f"urgency={proposed(home, ticket)['urgency']}", "--json", *WHO)
    assert result.code == 0, result.err
    assert desk.tickets()[ticket]["fields"]["urgency"] == theirs
    assert f"urgency = {theirs}" in result.json["error"]


def test_a_desk_that_is_away_is_told_later(home: Path, desk: Desk, ticket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(HttpDesk, "write", away)
        failed = tamiz("review", "approve", ticket, "--json", *WHO)
    assert (failed.code, failed.json["desk"]) == (0, "failed")
    assert ticket not in waiting()
    assert "approved" in tamiz("review", "settle", *WHO).out
    assert desk.tickets()[ticket]["fields"]["category"] == proposed(home, ticket)["category"]
    assert "knows every verdict" in tamiz("review", "settle").err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nofield=x",), "There is no field"),
        (("urgency=purple",), "is not a label of urgency"),
        (("urgency",), "not of the form field=label"),
        (("subcategory=Cuota llena", "category=Red"), "the taxonomy allows only"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(ticket: str, arguments: tuple[str, ...], said: str) -> None:
    before = waiting()
    result = tamiz("review", "correct", ticket, *arguments)
    assert result.code == 1
    assert said in result.err
    assert waiting() == before


def test_a_chosen_exemplar_gives_its_resolution(home: Path, desk: Desk, ticket: str) -> None:
    record = next(d for d in decisions(home) if d.ticket_id == ticket)
    chosen = record.neighbours[1].exemplar
    assert tamiz("review", "approve", ticket, "--exemplar", chosen, *WHO).code == 0
    shown = tamiz("review", "show", ticket, "--json").json
    assert shown["state"] == "judged"
    verdict = next(one for one in shown["history"] if one["kind"] == "human_verdict")
    assert (verdict["resolution"]["exemplar"], verdict["who"]) == (chosen, "ana")
    assert tamiz("review", "approve", ticket, "--exemplar", "none such").code == 1


def typed(monkeypatch: pytest.MonkeyPatch, lines: str) -> Result:
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    return tamiz("review", "--order", "teaches", *WHO)


def test_one_after_another_with_keys(home: Path, desk: Desk, ticket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = waiting("--order", "teaches")[:3]
    result = typed(monkeypatch, f"s\nc urgency={other(home, second, 'urgency')}\nu\nc urgency=purple\na\nr no se sabe\n")
    assert result.code == 0, result.err
    assert "is not a label of urgency" in result.err
    states = {name: tamiz("review", "show", name, "--json").json for name in (first, second, third)}
    assert [states[name]["state"] for name in (first, second, third)] == ["skipped", "judged", "judged"]
    kinds = [(r["kind"], r.get("action") or r.get("state")) for r in states[second]["history"] if r["kind"] != "writeback"]
    assert kinds == [
        ("human_verdict", "corrected"),
        ("review_note", "written"),
        ("review_note", "undone"),
        ("review_note", "written"),
        ("human_verdict", "approved"),
        ("review_note", "written"),
    ]
    assert first in result.out


def test_without_a_run_it_says_what_to_do(blank: Path) -> None:
    result = tamiz("review", "list")
    assert result.code == 1
    assert "python -m batch run" in result.err


def test_a_reason_is_redacted_before_it_is_kept_or_written(home: Path, desk: Desk, ticket: str) -> None:
    assert tamiz("review", "approve", ticket, *WHO).code == 0
    tamiz("review", "undo", ticket, *WHO)
    result = tamiz("review", "reject", ticket, "--reason", "lo dijo ana.perez@empresa.example por correo", *WHO)
    assert result.code == 0, result.err
    verdict = tamiz("review", "show", ticket, "--json").json["history"][-1]
    assert "empresa.example" not in verdict["reason"]
    assert "lo dijo <email:" in verdict["reason"]


def test_a_verdict_on_an_earlier_text_is_not_owed(home: Path, desk: Desk, ticket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The desk did not answer, and the ticket was changed and decided again: what was said of the old text stays unsaid there."""

    with monkeypatch.context() as patch:
        patch.setattr(HttpDesk, "write", away)
        assert tamiz("review", "approve", ticket, "--json", *WHO).json["desk"] == "failed"
    desk.edit(ticket, description="ahora es otra cosa: la impresora de la planta 2 no imprime")
    assert tamiz("run", "--json").code == 0
    writes = desk.writes()[ticket]
    assert "knows every verdict" in tamiz("review", "settle").err
    assert desk.writes()[ticket] == writes


def test_a_desk_that_is_away_at_an_undo_is_told_of_it_later(
    home: Path, desk: Desk, ticket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = desk.tickets()[ticket]["fields"]
    assert tamiz("review", "correct", ticket, f"urgency={other(home, ticket, 'urgency')}", *WHO).code == 0
    with monkeypatch.context() as patch:
        patch.setattr(HttpDesk, "write", away)
        failed = tamiz("review", "undo", ticket, "--json", *WHO)
        assert tamiz("review", "settle", *WHO).code == 0
    assert (failed.code, failed.json["desk"]) == (0, "failed")
    assert desk.tickets()[ticket]["fields"] != before
    assert f"{ticket} undone" in tamiz("review", "settle", *WHO).out
    assert desk.tickets()[ticket]["fields"] == before
    writes = desk.writes()[ticket]
    assert "knows every verdict" in tamiz("review", "settle").err
    assert desk.writes()[ticket] == writes


def test_an_undo_told_late_leaves_a_newer_verdict_alone(
    home: Path, desk: Desk, ticket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    urgency = other(home, ticket, "urgency")
    assert tamiz("review", "correct", ticket, f"urgency={urgency}", *WHO).code == 0
    with monkeypatch.context() as patch:
        patch.setattr(HttpDesk, "write", away)
        tamiz("review", "undo", ticket, *WHO)
    assert tamiz("review", "approve", ticket, *WHO).code == 0
    held = desk.tickets()[ticket]["fields"]
    assert held["urgency"] == proposed(home, ticket)["urgency"]
    tamiz("review", "settle", *WHO)
    assert desk.tickets()[ticket]["fields"] == held
    assert "knows every verdict" in tamiz("review", "settle").err


def test_an_undo_gives_back_what_an_earlier_verdict_said(home: Path, desk: Desk, ticket: str) -> None:
    tamiz("review", "approve", ticket, *WHO)
    approved = desk.tickets()[ticket]["fields"]
    tamiz("review", "correct", ticket, f"urgency={other(home, ticket, 'urgency')}", *WHO)
    assert tamiz("review", "undo", ticket, *WHO).code == 0
    assert desk.tickets()[ticket]["fields"] == approved
