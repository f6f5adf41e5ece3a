"""Upkeep: copies merged, contradictions found, the old retired; never what a person confirmed, never too much at once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from core.ticket import Exemplar
from knowledge.archive import Entry
from knowledge.upkeep import applied, contradictions, limited, merges, moment, relabelled, stale

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def exemplar(i: str, label: str = "Network", group: str = "g", resolved: str = "2026-01-01", resolution: str = "") -> Exemplar:
    labels = {"category": label} if label else {}
    return Exemplar(
        i, "vpn", f"no conecta {i}", "es", labels, resolution, source_id=f"R-{i}", resolved_at=resolved, duplicate_group=group
    )


def test_of_copies_the_best_stays() -> None:
    a, b, c = exemplar("a"), exemplar("b", resolution="se cambió la clave"), exemplar("c", resolved="2026-05-01")
    assert {e.exemplar.id: e.values["into"] for e in merges([a, b, c], ())} == {"a": "b", "c": "b"}
    assert [e.exemplar.id for e in merges([a, b, c], {"a"})] == ["b", "c"]
    assert merges([a, b], {"a", "b"}) == []


def test_copies_with_other_labels_or_alone_are_no_copies() -> None:
    assert merges([exemplar("a"), exemplar("b", "Access"), exemplar("c", group=""), exemplar("d", group="")], ()) == []


def test_a_contradiction_follows_most_of_its_kind_then_the_newer_and_always_a_person() -> None:
    a, b, c = exemplar("a"), exemplar("b"), exemplar("c", "Access", resolved="2026-05-01")
    most = contradictions([a, b, c], ())
    assert [(e.exemplar.id, e.proposed, e.values["changes"]) for e in most] == [("c", True, "category: Access -> Network")]
    assert [e.exemplar.id for e in contradictions([a, c], ())] == ["a"]
    assert [e.exemplar.id for e in contradictions([a, b, c], {"c"})] == ["a", "b"]
    assert contradictions([a, c], {"a", "c"}) == []
    assert contradictions([a, exemplar("b", "")], ()) == []


def test_another_label_is_another_exemplar_of_the_same_ticket() -> None:
    old = exemplar("a")
    new = relabelled(old, {"category": "Access"}, "unlikely").new
    assert new
    assert new.id != old.id
    assert replace(new, id=old.id, labels=old.labels, duplicate_group="g") == old


def test_what_is_old_and_unused_is_retired_unless_a_person_confirmed_it() -> None:
    old, used, undated, young = (
        exemplar("o", resolved="2020-01-01"),
        exemplar("u", resolved="2020-01-01"),
        exemplar("x", resolved=""),
        exemplar("y"),
    )
    lately = {"u": NOW - timedelta(days=3)}
    assert [e.exemplar.id for e in stale([old, used, undated, young], lately, (), NOW)] == ["o"]
    assert stale([old], {}, {"o"}, NOW) == []
    assert moment("2026-01-01") == datetime(2026, 1, 1, tzinfo=UTC)
    assert moment("soon") is None


def test_a_night_changes_a_twentieth_in_order_and_each_exemplar_once() -> None:
    rows = [exemplar(str(i)) for i in range(200)]
    entries = [Entry("retired", "stale", old=one) for one in rows[:30]]
    chosen, deferred = limited([entries[0], replace(entries[0], reason="harmful"), *entries[1:]], 200)
    assert chosen == entries[:10]
    assert deferred == entries[10:]
    assert len(limited(entries, 20)[0]) == 5


def test_of_two_entries_on_one_exemplar_the_first_counts() -> None:
    old, base = exemplar("a"), [exemplar("a"), exemplar("b")]
    first, second = relabelled(old, {"category": "Access"}, "unlikely"), relabelled(old, {"category": "Mail"}, "contradiction")
    after = applied(base, [first, second])
    assert sorted(one.labels["category"] for one in after.values()) == ["Access", "Network"]
