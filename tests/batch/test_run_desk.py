"""`run` against a service desk: what is decided, what is really at the desk, and that nothing is written twice."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from commands_examples import Desk, decisions, example_taxonomy, tamiz, write_states

from core.ticket import Exemplar
from knowledge.edge_shelf import EdgeShelf
from observability.records import DecisionRecord

OPEN_TICKETS = 120


def exemplars(home: Path) -> Mapping[str, Exemplar]:
    return {exemplar.id: exemplar for exemplar in EdgeShelf(home).exemplars()}


@pytest.fixture
def report(home: Path, desk: Desk) -> dict[str, Any]:
    """The report of a whole run over the desk."""
    result = tamiz("run", "--json")
    assert result.code == 0, result.err
    document: dict[str, Any] = result.json
    return document


def test_a_run_from_listing_to_desk(home: Path, desk: Desk, report: dict[str, Any]) -> None:
    records = decisions(home)
    assert len(records) == len({record.ticket_id for record in records}) == OPEN_TICKETS == report["totals"]["tickets"]
    outcomes = [record.outcome for record in records]
    assert {name: outcomes.count(name) for name in set(outcomes)} == {
        name: report["totals"][name] for name in ("accepted", "suggested", "escalated")
    }
    assert report["totals"]["accepted"] >= 10, "nothing much is shown by this test without accepted tickets"
    _check_the_desk(desk, records)
    _check_the_evidence(home, records)
    _check_a_second_run_finds_nothing(home, desk)


def _check_the_desk(desk: Desk, records: list[DecisionRecord]) -> None:
    """What is at the desk is exactly what the journal says was accepted; every ticket has one internal comment of ours."""
    taxonomy, tickets = example_taxonomy(), desk.tickets()
    for record in records:
        ticket = tickets[record.ticket_id]
        assert ticket["fields"] == {name: record.fusion[name].label for name in record.written}
        assert (record.outcome == "accepted") == bool(ticket["fields"])
        for name, label in ticket["fields"].items():
            assert label in taxonomy.labels(name)
        (comment,) = desk.comments(record.ticket_id)
        assert not comment["public"]
        for label in ticket["fields"].values():
            assert label in comment["body"]


def _check_the_evidence(home: Path, records: list[DecisionRecord]) -> None:
    known = exemplars(home)
    taxonomy = example_taxonomy()
    for record in records:
        for name in record.written:
            cited = record.fusion[name].evidence
            assert cited, f"{record.ticket_id} {name} was written without evidence"
            assert all(known[i].labels[name] == record.fusion[name].label for i in cited)
        assert {seen.exemplar for seen in record.neighbours} <= known.keys()
        for name, fused in record.fusion.items():
            assert fused.label in taxonomy.labels(name)
        resolution = record.resolution
        if resolution and resolution.exemplar:
            assert resolution.text == known[resolution.exemplar].resolution
            assert resolution.kind == known[resolution.exemplar].labels["resolution_kind"]
            assert not resolution.system or resolution.system in taxonomy.systems
        elif resolution:
            assert (resolution.kind, resolution.text) == ("manual", "")


def _check_a_second_run_finds_nothing(home: Path, desk: Desk) -> None:
    before = {ticket_id: desk.history(ticket_id) for ticket_id in desk.tickets()}
    assert set(desk.writes().values()) == {1}
    result = tamiz("run")
    assert result.code == 0
    assert "Nothing is left to do: 120 open tickets" in result.out
    assert {ticket_id: desk.history(ticket_id) for ticket_id in desk.tickets()} == before
    assert len(decisions(home)) == OPEN_TICKETS
