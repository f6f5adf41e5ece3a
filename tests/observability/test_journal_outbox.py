"""What counts as done, and which writes are still owed."""

import time
from pathlib import Path

import pytest

from observability.journal import Journal
from observability.records import Record, WriteState
from tests.observability.journal_examples import Example

PAIR = ("T-1", "r1")
example = Example()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


@pytest.mark.parametrize(
    ("outcome", "states", "done", "owed"),
    [
        ("escalated", [], True, False),
        ("refused", [], True, False),
        ("accepted", [], False, False),
        ("suggested", [], False, False),
        ("accepted", ["intended"], False, True),
        ("accepted", ["intended", "written"], True, False),
        ("accepted", ["intended", "already"], True, False),
        ("suggested", ["skipped"], True, False),
        ("accepted", ["intended", "conflict"], True, False),
        ("accepted", ["intended", "failed"], False, True),
        ("accepted", ["intended", "failed", "intended", "failed"], False, True),
        ("accepted", ["intended", "failed", "intended", "written"], True, False),
        ("escalated", ["intended", "failed"], False, True),
        ("accepted", ["dry_run"], False, False),
    ],
)
def test_the_last_word_decides(path: Path, outcome: str, states: list[WriteState], done: bool, owed: bool) -> None:
    decision = example.record(*PAIR, outcome=outcome)
    with Journal(path) as journal:
        journal.append([example.started(), decision])
        for state in states:
            journal.append([example.write(decision, state)])
        assert journal.processed([PAIR, ("T-1", "r0"), ("T-2", "r1")]) == ({PAIR} if done else set())
        pending = journal.pending_writes()
        assert [write.decision for write in pending] == ([decision] if owed else [])
        if pending:
            assert pending[0].last.state == states[-1]
            assert pending[0].tries == states.count("failed")


def test_the_revision_that_our_write_made_is_no_new_work(path: Path) -> None:
    decision = example.record(*PAIR)
    with Journal(path) as journal:
        journal.append([example.started(), decision, example.write(decision, "intended")])
        journal.append([example.write(decision, "written", new_revision="r2")])
        asked = [PAIR, ("T-1", "r2"), ("T-1", "r3")]
        assert journal.processed(asked) == {PAIR, ("T-1", "r2")}


def test_a_dry_run_leaves_everything_to_do(path: Path) -> None:
    decision = example.record(outcome="escalated", run="dry")
    with Journal(path) as journal:
        journal.append([example.started("dry", dry_run=True), decision, example.write(decision, "intended")])
        assert journal.processed([PAIR]) == set()
        assert journal.pending_writes() == []


def test_a_run_that_was_not_started_is_not_live(path: Path) -> None:
    with Journal(path) as journal:
        journal.append([example.record(outcome="escalated")])
        assert journal.processed([PAIR]) == set()


def test_sources_do_not_answer_for_each_other(path: Path) -> None:
    decision = example.record()
    source = "https://bot:secret@one.example"
    with Journal(path) as journal:
        journal.append([example.started(source=source), decision, example.write(decision, "intended")])
        assert journal.pending_writes(source="other") == []
        assert len(journal.pending_writes(source=source)) == 1
        journal.append([example.write(decision, "written")])
        assert journal.processed([PAIR], source="other") == set()
        assert journal.processed([PAIR], source=source) == {PAIR}


def test_a_later_decision_replaces_an_intention(path: Path) -> None:
    first = example.record()
    second = example.record(outcome="escalated", run="run-2")
    with Journal(path) as journal:
        journal.append([example.started(), first, example.write(first, "intended"), example.write(first, "failed")])
        journal.append([example.started("run-2"), second])
        assert journal.pending_writes() == []
        assert journal.processed([PAIR]) == {PAIR}


def test_another_run_settles_the_outbox(path: Path) -> None:
    decision = example.record()
    with Journal(path) as journal:
        journal.append([example.started(), decision, example.write(decision, "intended")])
    with Journal(path) as journal:
        journal.append([example.started("run-2")])
        journal.append([example.write(decision, "failed", run="run-2")])
        (owed,) = journal.pending_writes()
        assert (owed.decision.run, owed.last.run, owed.tries) == ("run-1", "run-2", 1)
        journal.append([example.write(owed.decision, "written", run="run-2")])
        assert journal.pending_writes() == []


def test_a_write_is_of_the_decision_it_names(path: Path) -> None:
    first, second = example.record(), example.record(outcome="suggested", run="run-2")
    with Journal(path) as journal:
        journal.append([example.started(), first, example.started("run-2"), second, example.write(first, "intended")])
        assert [owed.decision for owed in journal.pending_writes()] == [first]


def test_an_intention_without_its_decision_is_not_retried(path: Path) -> None:
    with Journal(path) as journal:
        journal.append([example.started(), example.write(example.record(), "intended")])
        assert journal.pending_writes() == []
        assert journal.processed([PAIR]) == set()


def test_ids_that_look_like_numbers_and_odd_ones_are_told_apart(path: Path) -> None:
    odd = [("1", "r1"), ("01", "r1"), ('a"b', "r1"), ("ñ\ud800", "r1")]
    with Journal(path) as journal:
        journal.append([example.started(), *(example.record(*pair, outcome="escalated") for pair in odd)])
        assert journal.processed([*odd, ("1.0", "r1"), ("001", "r1")]) == set(odd)


def test_a_long_history_is_searched_fast(path: Path) -> None:
    decisions = [d.model_copy(update={"body": "", "neighbours": ()}) for d in example.batch("run-1", 5000)]
    digest = decisions[0].digest
    writes = [example.write(decisions[0], "written").model_copy(update={"ticket_id": d.ticket_id}) for d in decisions[1:]]
    owed = example.write(decisions[0], "intended")
    records: list[Record] = [example.started(), *decisions, *writes, owed]
    with Journal(path) as journal:
        journal.append(records)
        begin = time.perf_counter()
        found = journal.processed([(d.ticket_id, d.revision) for d in decisions])
        pending = journal.pending_writes()
        seconds = time.perf_counter() - begin
    assert len(found) == 4999
    assert [(p.decision.ticket_id, p.last.decision) for p in pending] == [("run-1-0", digest)]
    assert seconds < 1.0
