"""Near-duplicates against a plain loop over all pairs."""

import random
from itertools import combinations

import numpy as np
import pytest

from core.ticket import Vectors
from knowledge import duplicates
from knowledge.duplicates import duplicate_groups, shared
from tests.knowledge.toy_knowledge import ToyEmbedder


def variations(seed: int, count: int) -> list[str]:
    """Texts in families: each a family's words with some replaced, in another order and case."""
    chance = random.Random(seed)
    families = [[f"w{chance.randrange(400)}" for _ in range(chance.randrange(3, 25))] for _ in range(count // 6)]
    texts = []
    for _ in range(count):
        words = list(chance.choice(families))
        for _ in range(chance.randrange(4)):
            words[chance.randrange(len(words))] = f"w{chance.randrange(400)}"
        texts.append(" ".join(words).upper() if chance.random() < 0.3 else " ".join(words))
    return texts


def words(text: str) -> set[str]:
    return set(text.lower().split())


def alike(a: str, b: str, cosine: float) -> bool:
    """The definition: close vectors and most words shared, or just the same words."""
    jaccard = len(words(a) & words(b)) / len(words(a) | words(b))
    return jaccard == 1 or (jaccard >= duplicates.MIN_JACCARD and cosine >= duplicates.MIN_COSINE)


def oracle(texts: list[str], vectors: Vectors) -> list[set[int]]:
    groups = [{i} for i in range(len(texts))]
    for a, b in combinations(range(len(texts)), 2):
        if alike(texts[a], texts[b], float(vectors[a] @ vectors[b])) and groups[a] is not groups[b]:
            groups[a] |= groups[b]
            for member in groups[b]:
                groups[member] = groups[a]
    return groups


@pytest.mark.parametrize("seed", range(3))
def test_groups_are_those_of_the_loop(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "TILE_ROWS", 37)
    monkeypatch.setattr(duplicates, "TILE_COLUMNS", 53)
    monkeypatch.setattr(duplicates, "VERIFY_PAIRS", 11)
    texts = variations(seed, 240)
    vectors = ToyEmbedder().encode(texts)
    found, expected = duplicate_groups(texts, vectors), oracle(texts, vectors)
    assert [{int(j) for j in np.flatnonzero(found == group)} for group in found] == expected
    assert 20 < len(set(found.tolist())) < 240


@pytest.mark.parametrize("seed", range(3))
def test_shared_texts_are_those_of_the_loop(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "TILE_ROWS", 37)
    monkeypatch.setattr(duplicates, "TILE_COLUMNS", 29)
    texts = variations(seed, 260)
    left, right = texts[:180], texts[180:]
    a, b = ToyEmbedder().encode(left), ToyEmbedder().encode(right)

    def near(i: int, j: int) -> bool:
        both, either = words(left[i]) & words(right[j]), words(left[i]) | words(right[j])
        return len(both) / len(either) >= duplicates.MIN_JACCARD and float(a[i] @ b[j]) >= duplicates.MIN_COSINE

    expected = [j for j in range(len(right)) if any(near(i, j) for i in range(len(left)))]
    assert shared(left, a, right, b).tolist() == expected
    assert 0 < len(expected) < len(right)


def test_close_vectors_without_common_words_are_no_duplicates() -> None:
    vectors = np.tile(ToyEmbedder().encode(["x"]), (2, 1))
    assert len(set(duplicate_groups(["the printer is broken", "cannot log in today"], vectors))) == 2


def test_one_alert_sent_many_times_is_one_group() -> None:
    texts = [f"Disk almost full on server {n % 7} of the data centre in the north region" for n in range(3_000)]
    assert len(set(duplicate_groups(texts, ToyEmbedder().encode(texts)).tolist())) == 1


def test_texts_without_words_and_no_texts() -> None:
    texts = ["", "...", "a word"]
    assert duplicate_groups(texts, ToyEmbedder().encode(texts)).tolist()[:2] == [0, 0]
    assert len(duplicate_groups([], np.zeros((0, 64), np.float32))) == 0
    assert len(shared([], np.zeros((0, 64), np.float32), texts, ToyEmbedder().encode(texts))) == 0
