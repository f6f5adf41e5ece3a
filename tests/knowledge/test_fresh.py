"""Exemplars beside the index: they stand where their similarity puts them, and the newest word on a text counts."""

import numpy as np
import pytest

from core.ticket import Exemplar, Neighbor, Vectors
from knowledge.fresh import Fresh


def unit(*rows: tuple[float, float]) -> Vectors:
    vectors = np.array(rows, np.float32)
    normed: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return normed


def exemplar(name: str, text: str = "") -> Exemplar:
    return Exemplar(name, text or f"text of {name}", "")


FRESH = Fresh([exemplar("f0"), exemplar("f1", "VPN caída")], unit((1, 0), (1, 1)), 0.25)
FOUND = [[Neighbor(exemplar(f"o{i}"), similarity) for i, similarity in enumerate((0.9, 0.6, 0.8, 0.3))]]
ASKED = unit((1, 0.05))


def names(found: list[list[Neighbor]]) -> list[str]:
    return [one.exemplar.id for one in found[0]]


def test_they_stand_before_what_is_less_similar() -> None:
    joined = FRESH.joined(ASKED, FOUND, 10, [()])
    assert names(joined) == ["f0", "o0", "f1", "o1", "o2", "o3"]
    assert joined[0][0].similarity == pytest.approx(float(ASKED[0, 0]))
    assert names(FRESH.joined(ASKED, FOUND, 3, [()])) == ["f0", "o0", "f1"]


def test_what_is_excluded_or_far_stays_out() -> None:
    assert names(FRESH.joined(ASKED, FOUND, 10, [{"f0"}])) == ["o0", "f1", "o1", "o2", "o3"]
    assert names(FRESH.joined(unit((0, 1)), [[]], 10, [()])) == ["f1"]
    assert names(FRESH.joined(unit((-1, -1)), [[]], 10, [()])) == []


def test_the_same_words_are_heard_once_from_whoever_spoke_last() -> None:
    old = [[Neighbor(exemplar("o", "vpn CAIDA"), 0.99)]]
    assert names(FRESH.joined(unit((1, 1)), old, 10, [()])) == ["f1", "f0"]


def test_nothing_fresh_changes_nothing() -> None:
    assert Fresh((), np.zeros((0, 0), np.float32)).joined(ASKED, FOUND, 10, [()]) == FOUND
