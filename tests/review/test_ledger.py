"""Each exemplar's account, from a real journal."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from core.metrics import wilson_interval, wilson_lower
from core.taxonomy import Mode
from core.ticket import Exemplar
from observability.journal import Journal
from observability.records import (
    DecisionRecord,
    FusedField,
    HumanVerdict,
    LaterChange,
    NeighborSeen,
    Record,
    ReviewNote,
)
from review.corrections import JOURNAL
from review.ledger import RIPE, Account, Ledger, Tally, harmful, read_ledger
from tests.observability.journal_examples import AT, Example

example = Example()
LATER = AT + RIPE
GOOD, BAD, OTHER = (Exemplar(f"ex-{name}", "s", "b", source="history.csv", source_id=name) for name in ("good", "bad", "other"))


def decision(
    ticket: str, label: str = "network", evidence: tuple[str, ...] = ("ex-good",), *, run: str = "run-1", accepted: bool = True
) -> DecisionRecord:
    """A decision on category (written where it was accepted) and urgency (only suggested), both resting on `evidence`."""
    labels = {"category": label, "urgency": "low"}
    fused = {
        "confidence": 0.9,
        "distribution": {},
        "mode": Mode.AUTOFILL,
        "evidence": evidence,
        "weights": {},
        "temperature": 1.0,
    }
    fusion = {name: FusedField.model_validate({"label": value, **fused}) for name, value in labels.items()}
    near = tuple(NeighborSeen(exemplar=one, similarity=0.9, labels={"category": "network", "urgency": "low"}) for one in evidence)
    record = example.record(ticket, outcome="accepted" if accepted else "suggested", run=run)
    return record.model_copy(update={"fusion": fusion, "neighbours": near, "written": ("category",) if accepted else ()})


def verdict(ticket: str, labels: Mapping[str, str]) -> HumanVerdict:
    action = "corrected" if labels else "rejected"
    return HumanVerdict(run="run-1", at=AT, ticket_id=ticket, revision="r1", who="ana", action=action, labels=labels)


def change(ticket: str, field: str = "category", theirs: str = "access", ours: str = "network") -> LaterChange:
    what = "reopened" if field == "status" else "changed"
    ours, theirs = ("", "") if field == "status" else (ours, theirs)
    return LaterChange(
        run="run-1", at=AT, ticket_id=ticket, revision="r1", what=what, field=field, ours=ours, theirs=theirs,
        changed_at=AT + timedelta(hours=1),
    )  # fmt: skip


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    made = Journal(tmp_path / "journal.sqlite")
    made.append([example.started()])
    return made


def ledger(journal: Journal, *records: Record) -> Ledger:
    journal.append(records)
    return read_ledger(journal, [GOOD, BAD], LATER)


def tally(found: Ledger, field: str = "category", exemplar: str = "ex-good") -> dict[str, int]:
    """What is not zero."""
    held = found[exemplar].fields[field]
    return {name: value for name in Tally.__dataclass_fields__ if (value := getattr(held, name))}


@pytest.mark.parametrize(
    ("after", "category", "urgency"),
    [
        ([], "stood", "open"),
        ([verdict("T", {"category": "network", "urgency": "high"})], "confirmed", "corrected"),
        ([verdict("T", {"category": "network"})], "confirmed", "open"),
        ([verdict("T", {})], "rejected", "rejected"),
        ([change("T")], "changed", "open"),
        ([change("T", "status")], "reopened", "reopened"),
        ([change("T", "status"), change("T")], "changed", "reopened"),
        ([change("T"), change("T", theirs="network")], "stood", "open"),
        ([change("T"), verdict("T", {"category": "network", "urgency": "low"})], "confirmed", "confirmed"),
        ([change("T", ours="access", theirs="printing")], "stood", "open"),
    ],
)
def test_what_became_of_a_use(journal: Journal, after: list[Record], category: str, urgency: str) -> None:
    found = ledger(journal, decision("T"), *after)
    assert tally(found) == {"uses": 1, "accepted": 1, category: 1}
    assert tally(found, "urgency") == {"uses": 1, "accepted": 1, urgency: 1}
    assert (found["ex-good"].last_success is not None) is bool({category, urgency} & {"stood", "confirmed"})


def test_a_verdict_taken_back_counts_no_longer(journal: Journal) -> None:
    given = verdict("T", {"category": "access"})
    undone = ReviewNote(at=AT, ticket_id="T", revision="r1", who="ana", state="undone", verdict=given.digest)
    found = ledger(journal, decision("T"), given)
    assert tally(found) == {"uses": 1, "accepted": 1, "corrected": 1}
    assert tally(ledger(journal, undone)) == {"uses": 1, "accepted": 1, "stood": 1}


def test_what_was_written_has_to_stand_a_week(journal: Journal) -> None:
    journal.append([decision("T")])
    young = read_ledger(journal, [], LATER - timedelta(seconds=1))
    assert tally(young) == {"uses": 1, "accepted": 1, "open": 1}
    assert young["ex-good"].provenance is None


def test_only_the_latest_live_decision_counts_and_only_where_its_own_label_was_decided(journal: Journal) -> None:
    dry = decision("D", run="dry")
    other = decision("O", label="access", evidence=("ex-good",))  # its own label is network
    stranger = decision("S").model_copy(update={"neighbours": ()})
    found = ledger(
        journal,
        example.started("dry", dry_run=True),
        dry,
        decision("T", evidence=("ex-bad",)),
        decision("T", accepted=False),
        other,
        stranger,
    )
    assert found["ex-bad"] == Account("ex-bad", found["ex-bad"].provenance)
    assert tally(found) == {"uses": 1, "open": 1}
    assert found["ex-good"].total.uses == 3  # urgency of T and of O
    assert set(found) == {"ex-good", "ex-bad"}


def test_where_an_exemplar_comes_from(journal: Journal) -> None:
    journal.append([decision("bad"), verdict("bad", {"category": "access"})])
    mine = Exemplar("ex-mine", "s", "b", source=JOURNAL, source_id="T-7", resolved_at="2026-01-01")
    found = read_ledger(journal, [GOOD, BAD, mine], LATER)
    held = {name: account.provenance for name, account in found.items()}
    assert {name: one.confirmed for name, one in held.items() if one} == {"ex-good": False, "ex-bad": True, "ex-mine": True}
    assert held["ex-mine"] is not None
    assert (held["ex-mine"].source, held["ex-mine"].source_id, held["ex-mine"].resolved_at) == (JOURNAL, "T-7", "2026-01-01")


def test_an_exemplar_proves_nothing_on_its_own_ticket(journal: Journal) -> None:
    found = ledger(journal, decision("good"), verdict("good", {"category": "network"}))
    assert found["ex-good"].fields == {}


def test_who_leads_astray_is_found_and_who_has_too_little_on_record_is_not(journal: Journal) -> None:
    records: list[Record] = []
    for i in range(8):
        records += [decision(f"B-{i}", evidence=("ex-bad", "ex-good")), verdict(f"B-{i}", {"category": "access"})]
    for i in range(40):
        records += [decision(f"G-{i}"), verdict(f"G-{i}", {"category": "network", "urgency": "low"})]
    for i in range(4):
        records += [decision(f"O-{i}", evidence=("ex-other",)), change(f"O-{i}")]
    found = ledger(journal, *records)
    (worst,) = harmful(found)
    assert (worst.exemplar, worst.field, worst.tally.astray, worst.tally.known) == ("ex-bad", "category", 8, 8)
    assert worst.harm == found["ex-bad"].worst[1].harm == pytest.approx(wilson_interval(8, 8)[0], abs=1e-3)
    assert [one.exemplar for one in harmful(found, least_uses=4)] == ["ex-bad", "ex-other"]
    assert harmful(found, over=0.7) == []
    assert {one.exemplar for one in harmful(found, over=0.05)} == {"ex-bad", "ex-good"}


def test_many_pages_of_decisions_are_one_ledger(journal: Journal) -> None:
    journal.append([decision(f"T-{i}") for i in range(1_203)])
    assert tally(read_ledger(journal, [], LATER))["uses"] == 1_203


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (3, 10), (50, 51), (0, 400), (399, 400)])
def test_the_closed_form_is_wilsons(successes: int, n: int) -> None:
    assert wilson_lower(successes, n) == pytest.approx(wilson_interval(successes, n)[0], abs=1e-4)
    assert wilson_lower(0, 0) == 0.0
