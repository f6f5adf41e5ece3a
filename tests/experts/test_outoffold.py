"""Out of fold: nobody sees himself nor his near-duplicates, in whatever way."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from core.retrieval import Search
from core.ticket import CleanTicket, Evidence, Exemplar, Neighbor, Vectors
from core.triage import LogProbs
from experts.fit import fit
from experts.outoffold import (
    EncoderOpinions,
    OutOfFold,
    as_ticket,
    fold_exemplars,
    unseen_evidence,
    unseen_heads,
    with_encoder,
)
from knowledge.base import KnowledgeBase, shelf_at
from knowledge.cache import CachedEmbedder
from knowledge.ingest import ingest
from tests.experts.expert_examples import CATEGORIES, TAXONOMY, ExactSearch, WordEmbedder, encode, past

FIELDS = ("category", "urgency")


def pairs(count: int, seed: int = 0) -> list[Exemplar]:
    """Near-duplicates two by two, next to each other; each pair has words of its own and one category drawn by lot."""
    rng = np.random.default_rng(seed)
    return [e for number in range(count) for e in _pair(rng, number)]


def _pair(rng: np.random.Generator, number: int) -> list[Exemplar]:
    words = " ".join(f"w{int(w):06d}" for w in rng.integers(10**6, size=14))
    labels, group = {"category": str(rng.choice(CATEGORIES))}, f"g{number}"
    return [Exemplar(f"{number}{c}", words, f"copia{number}{c}", labels=labels, duplicate_group=group) for c in "ab"]


@contextmanager
def knowledge_of(exemplars: Sequence[Exemplar], home: Path) -> Iterator[tuple[list[Exemplar], Search]]:
    """The exemplars as a real knowledge base gives them back, with its own ids and groups, and its search."""
    ingest(shelf_at(home), CachedEmbedder(WordEmbedder(), home / "vectors.sqlite"), exemplars, source="history")
    with KnowledgeBase.open(shelf_at(home), WordEmbedder(), floor=-1.0) as knowledge:

        def search(
            tickets: Sequence[CleanTicket], vectors: Vectors, k: int, exclude: Sequence[Collection[str]]
        ) -> list[list[Neighbor]]:
            return knowledge.search(tickets, vectors, k, exclude=exclude)

        yield knowledge.exemplars(), search


def vectors_of(exemplars: Sequence[Exemplar]) -> Vectors:
    return encode([e.text for e in exemplars])


# --- neighbours --------------------------------------------------------------------------------------------------------


def test_each_search_leaves_out_the_exemplar_and_its_whole_group() -> None:
    grouped = [replace(e, duplicate_group=f"g{i // 3}" if i < 12 else "") for i, e in enumerate(past(40))]
    search = ExactSearch(grouped)
    evidence = unseen_evidence(grouped, vectors_of(grouped), search, 39)
    for number, (exemplar, excluded) in enumerate(zip(grouped, search.excluded, strict=True)):
        expected = grouped[number // 3 * 3 : number // 3 * 3 + 3] if number < 12 else [exemplar]
        assert excluded == {e.id for e in expected}
        assert len(evidence.neighbors[number]) == 40 - len(expected)
        assert not excluded & {n.exemplar.id for n in evidence.neighbors[number]}


def test_the_knowledge_base_gives_nobody_himself_nor_his_duplicates(tmp_path: Path) -> None:
    known = [*pairs(15), *past(40)]
    with knowledge_of(known, tmp_path) as (exemplars, search):
        vectors = vectors_of(exemplars)
        assert sum(bool(e.duplicate_group) for e in exemplars) == 30
        seeing = search([as_ticket(e) for e in exemplars], vectors, 10, [()] * len(exemplars))
        unseen = unseen_evidence(exemplars, vectors, search, 10).neighbors
    for exemplar, near, himself in zip(exemplars, unseen, seeing, strict=True):
        own = {exemplar.id} | {e.id for e in exemplars if e.duplicate_group and e.duplicate_group == exemplar.duplicate_group}
        assert own & {n.exemplar.id for n in himself}, "without exclusion it would have been found"
        assert len(near) == 10
        assert not own & {n.exemplar.id for n in near}


def test_an_exemplar_is_asked_about_as_if_it_had_just_come_in() -> None:
    exemplar = Exemplar("e1", "asunto", "cuerpo", language="es", labels={"category": "Red"}, resolution="hecho", mailbox="it@")
    assert as_ticket(exemplar) == CleanTicket("e1", "asunto", "cuerpo", mailbox="it@", language="es")


# --- folds and heads ---------------------------------------------------------------------------------------------------


def test_duplicates_share_a_fold_and_labels_are_spread() -> None:
    exemplars = pairs(50)
    fold = fold_exemplars(exemplars, "category", 5, seed=0)
    np.testing.assert_array_equal(fold[::2], fold[1::2])
    np.testing.assert_array_equal(np.bincount(fold), [20] * 5)
    np.testing.assert_array_equal(fold, fold_exemplars(exemplars, "category", 5, seed=0))
    assert (fold != fold_exemplars(exemplars, "category", 5, seed=1)).any()
    for category in CATEGORIES:
        counts = np.bincount(fold[[e.labels["category"] == category for e in exemplars]], minlength=5)
        assert np.ptp(counts) <= 2


def test_what_a_head_says_of_a_row_does_not_depend_on_the_labels_of_its_fold() -> None:
    """Whatever the labels of a fold were, its rows are answered to the last bit alike."""
    exemplars = past(60)
    texts, fold = [e.text for e in exemplars], fold_exemplars(exemplars, "category", 3, seed=0)
    labels = [dict(e.labels) for e in exemplars]
    other = [{"category": "Red", "urgency": "Alta"} if fold[i] == 0 else row for i, row in enumerate(labels)]
    one, two = (unseen_heads(texts, vectors_of(exemplars), given, TAXONOMY, FIELDS, fold) for given in (labels, other))
    for name in ("linear", "probe"):
        for field in FIELDS:
            np.testing.assert_array_equal(one[name][field][fold == 0], two[name][field][fold == 0])
            assert not np.array_equal(one[name][field][fold == 1], two[name][field][fold == 1])
            np.testing.assert_allclose(np.exp(one[name][field]).sum(axis=1), 1.0)


def test_heads_learn_all_the_same() -> None:
    exemplars = past(150)
    fold = fold_exemplars(exemplars, "category", 3, seed=0)
    said = unseen_heads([e.text for e in exemplars], vectors_of(exemplars), [e.labels for e in exemplars], TAXONOMY, FIELDS, fold)
    gold = np.array([TAXONOMY.labels("category").index(e.labels["category"]) for e in exemplars])
    for name in ("linear", "probe"):
        assert (said[name]["category"].argmax(axis=1) == gold).mean() > 0.7


# --- the leak check ----------------------------------------------------------------------------------------------------

NEAR_CHANCE = 0.45
"""Four categories by lot over 100 independent pairs: .25, and four standard deviations."""


def accuracies(exemplars: Sequence[Exemplar], search: Search) -> Mapping[str, float]:
    fitted = fit(TAXONOMY, exemplars, vectors_of(exemplars), search, encode, k=8, folds=3)
    assert fitted.quality["category"]["n"] == len(exemplars)
    return {name: value for name, value in fitted.quality["category"].items() if name != "n"}


def test_labels_drawn_by_lot_cannot_be_guessed() -> None:
    exemplars = pairs(100)
    for name, accuracy in accuracies(exemplars, ExactSearch(exemplars)).items():
        assert accuracy < NEAR_CHANCE, f"{name} has seen what it was asked about"


def test_nor_with_the_groups_and_the_search_of_the_knowledge_base(tmp_path: Path) -> None:
    with knowledge_of(pairs(100), tmp_path) as (exemplars, search):
        assert len({e.duplicate_group for e in exemplars}) == 100
        for name, accuracy in accuracies(exemplars, search).items():
            assert accuracy < NEAR_CHANCE, f"{name} has seen what it was asked about"


def test_the_leak_check_would_find_a_leak() -> None:
    """The same tickets with their groups forgotten: the copy tells."""
    exemplars = [replace(e, duplicate_group="") for e in pairs(100)]
    found = accuracies(exemplars, ExactSearch(exemplars))
    for name in ("fusion", "vote", "wording", "linear", "probe"):
        assert found[name] > 0.55, name
    assert found["fusion"] > 0.75


# --- with an encoder ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Memory:
    """An expert that was trained elsewhere."""

    said: Mapping[str, LogProbs]
    name: str = "encoder"

    def log_probs(self, evidence: Evidence) -> Mapping[str, LogProbs]:
        return self.said


def before() -> OutOfFold:
    """Thirty exemplars in three folds."""
    exemplars = past(30)
    fold = fold_exemplars(exemplars, "category", 3, seed=0)
    evidence = unseen_evidence(exemplars, vectors_of(exemplars), ExactSearch(exemplars), 5)
    labels = [e.labels for e in exemplars]
    opinions = unseen_heads([e.text for e in exemplars], evidence.vectors, labels, TAXONOMY, FIELDS, fold)
    return OutOfFold(np.arange(30), fold, evidence, opinions)


@pytest.mark.parametrize("kept", ["one fold", "every other"])
def test_only_the_rows_that_the_encoder_has_not_seen_remain(kept: str) -> None:
    oof = before()
    rows = np.flatnonzero(oof.folds == 1) if kept == "one fold" else np.arange(3, 30, 2)
    said = {f: np.full((len(rows), len(TAXONOMY.labels(f))), -1.0) for f in FIELDS}
    after = with_encoder(oof, EncoderOpinions(rows, said, Memory(said)))
    np.testing.assert_array_equal(after.rows, rows)
    assert [t.id for t in after.evidence.tickets] == [oof.evidence.tickets[i].id for i in rows.tolist()]
    assert list(after.evidence.neighbors) == [oof.evidence.neighbors[i] for i in rows.tolist()]
    np.testing.assert_array_equal(after.evidence.vectors, oof.evidence.vectors[rows])
    assert after.opinions["encoder"] is said
    for name in ("linear", "probe"):
        for field in FIELDS:
            np.testing.assert_array_equal(after.opinions[name][field], oof.opinions[name][field][rows])
    assert len(after.folds) == len(rows)


def test_one_fold_is_halved_so_that_weights_can_still_be_cross_fitted_and_several_are_kept() -> None:
    oof = before()
    for rows, expected in ((np.flatnonzero(oof.folds == 1), np.arange(10) % 2), (np.arange(20), oof.folds[:20])):
        said = {f: np.zeros((len(rows), 2)) for f in FIELDS}
        np.testing.assert_array_equal(with_encoder(oof, EncoderOpinions(rows, said, Memory(said))).folds, expected)
