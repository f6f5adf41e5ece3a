"""The hand-written pairs and the ranks they are scored by."""

import re
from itertools import combinations

import numpy as np
import py3langid
import pytest

from benchmarks.crosslanguage import measure, ranks, read_pairs
from core.text import fold
from finetune.synthetic import lexicon
from finetune.synthetic.phrasing import SLOT
from knowledge.embedder import PACKAGED_ADAPTER, Embedder

WORD = re.compile(r"\w+")
PAIRS = read_pairs()


def words(text: str) -> list[str]:
    return WORD.findall(fold(text))


def test_there_are_enough_and_no_two_are_alike() -> None:
    assert len(PAIRS) >= 200
    assert all(set(pair) == {"id", "es", "en"} and all(pair.values()) for pair in PAIRS)
    assert len({pair["id"] for pair in PAIRS}) == len(PAIRS)
    bags = [frozenset(words(pair[language])) for pair in PAIRS for language in ("es", "en")]
    assert max(len(a & b) / len(a | b) for a, b in combinations(bags, 2)) < 0.6


@pytest.mark.parametrize("language", ["es", "en"])
def test_each_is_in_its_language(language: str) -> None:
    right = [py3langid.classify(pair[language])[0] == language for pair in PAIRS]
    assert np.mean(right) > 0.9


def test_nothing_is_taken_from_the_generator() -> None:
    """No text of the pairs holds a phrase of the generator's, of any split, that is long enough to tell where it comes from."""
    texts = "\n".join(f" {' '.join(words(pair[language]))} " for pair in PAIRS for language in ("es", "en"))
    phrases = {" ".join(found) for piece in _pieces() if len(found := words(piece)) >= 5}
    assert len(phrases) > 500
    assert not [phrase for phrase in phrases if f" {phrase} " in texts]


def _pieces() -> list[str]:
    own = lexicon.everything()
    sides = [side for one in own.symptoms.values() for side in (one.says, one.heads)]
    pools = (*sides, *own.banks.values(), *own.templates.values())
    return [piece for pool in pools for group in pool.values() for text in group for piece in SLOT.split(text)[::3]]


def test_a_rank_counts_what_is_at_least_as_near() -> None:
    asked = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], np.float32)
    found = np.array([[1.0, 0.0], [0.8, 0.6], [1.0, 0.0]], np.float32)
    assert ranks(asked, found).tolist() == [2, 1, 2]


def test_the_figures_add_up() -> None:
    """On made-up texts: the pairs themselves are scored by the benchmark only."""
    told = [("no va la impresora", "printer broken"), ("clave olvidada", "forgot password"), ("correo lleno", "mailbox full")]
    made = [{"id": str(i), "es": es, "en": en} for i, (es, en) in enumerate(told)]
    found = measure(made, {"as_it_comes": Embedder(threads=1), "adapted": Embedder(threads=1, adapter=PACKAGED_ADAPTER)})
    assert found["n"] == 3
    assert found["adapted"]["model"] != found["as_it_comes"]["model"]
    for what, change in found["difference"].items():
        before, after = (float(found[name][what].split()[0]) for name in ("as_it_comes", "adapted"))
        assert change["points"] == pytest.approx(100 * (change["won"] - change["lost"]) / 3, abs=0.1)
        assert change["points"] == pytest.approx(100 * (after - before), abs=0.2)
        assert change["ci"][0] <= change["points"] <= change["ci"][1]
        assert before <= float(found["as_it_comes"][what.replace("top_1", "top_3")].split()[0]) == 1.0
