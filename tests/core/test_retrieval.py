"""Two rankings made one: what both found comes first, near-duplicates once, and a ticket's own similarity counts."""

from core.retrieval import merged
from core.ticket import Exemplar, Neighbor


def found(*names: str, similarity: float, group: str = "") -> list[Neighbor]:
    return [Neighbor(Exemplar(name, name, "", duplicate_group=group), similarity) for name in names]


def test_what_both_found_comes_first_with_the_tickets_own_similarity() -> None:
    joined = merged(found("a", "b", "c", similarity=0.8), found("c", "d", similarity=0.4), 10)
    assert [(n.exemplar.id, n.similarity) for n in joined] == [("c", 0.8), ("a", 0.8), ("b", 0.8), ("d", 0.4)]
    assert [n.exemplar.id for n in merged(found("a", "b", similarity=0.8), found("c", similarity=0.9), 2)] == ["a", "c"]


def test_of_near_duplicates_one_is_kept() -> None:
    joined = merged(found("a", similarity=0.8, group="g"), found("b", similarity=0.9, group="g"), 10)
    assert [n.exemplar.id for n in joined] == ["a"]


def test_nothing_found_in_other_words_changes_nothing() -> None:
    own = found("a", "b", similarity=0.8)
    assert merged(own, [], 5) == own
