"""What every store must do, checked against an exact oracle in numpy."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.ticket import Exemplar, Vectors
from knowledge import edge
from knowledge.edge import EdgeStore
from knowledge.sparse import Sparse
from knowledge.stores import EXACT_BELOW, RRF_CONSTANT, Hit, Manifest, Query, Shelf, Store
from tests.knowledge.toy_knowledge import past, point_id

COUNT, DIMENSION, LIMIT = 400, 32, 20
FIELDS = ("category", "Área 1.b")


def unit(rows: int, seed: int, dimension: int = DIMENSION) -> Vectors:
    vectors = np.random.default_rng(seed).normal(size=(rows, dimension)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def words(rows: int, seed: int) -> list[Sparse]:
    random = np.random.default_rng(seed)
    drawn = [np.sort(random.choice(200, 12, replace=False)) for _ in range(rows)]
    return [Sparse(row.tolist(), random.uniform(0.5, 2.0, 12).tolist()) for row in drawn]


def manifest(count: int, dimension: int = DIMENSION) -> Manifest:
    return Manifest(version="a" * 16, embedder="toy@1", dimension=dimension, count=count, fields=FIELDS)


EXEMPLARS = [
    replace(exemplar, id=point_id(number), source="history", duplicate_group=point_id(number // 3 * 3))
    for number, exemplar in enumerate(past(COUNT))
]
VECTORS, WORDS = unit(COUNT, 1), words(COUNT, 2)
QUERIES = [Query(vector, sparse) for vector, sparse in zip(unit(25, 3), words(25, 4), strict=True)]


@pytest.fixture(scope="module")
def store(lasting_shelf: Shelf) -> Iterator[Store]:
    """Published and opened again, so that what is tested has been on the disk."""
    fresh = lasting_shelf.create(manifest(COUNT))
    fresh.upsert(EXEMPLARS, VECTORS, WORDS)
    lasting_shelf.publish(manifest(COUNT), fresh)
    opened = lasting_shelf.open()[1]
    yield opened
    opened.close()


def dense(query: Query) -> np.ndarray:
    return VECTORS @ query.vector


def sparse(query: Query) -> np.ndarray:
    """Sum over the shared words of document weight x query weight x IDF."""
    frequency = np.bincount([index for row in WORDS for index in row.indices], minlength=200)
    idf = np.log((COUNT - frequency + 0.5) / (frequency + 0.5) + 1.0)
    asked = dict(zip(*query.sparse, strict=True))
    return np.array([sum(w * asked.get(i, 0.0) * idf[i] for i, w in zip(*row, strict=True)) for row in WORDS])


def fused(query: Query, allowed: Sequence[bool]) -> tuple[list[str], set[str]]:
    """The oracle: both rankings in full, the first LIMIT of each, 1 / (constant + rank) summed, the best LIMIT of these.

    Also those whose rank equals the last one's: any of them may stand there.
    """
    scores: dict[int, float] = {}
    for side in (dense(query), sparse(query)):
        ranking = [i for i in np.argsort(-side).tolist() if allowed[i] and (side is not None and side[i] != 0)]
        for rank, i in enumerate(ranking[:LIMIT]):
            scores[i] = scores.get(i, 0.0) + 1.0 / (RRF_CONSTANT + rank)
    best = sorted(scores, key=lambda i: (-np.float32(scores[i]), -dense(query)[i], point_id(i)))
    last = np.float32(scores[best[LIMIT - 1]]) if len(best) >= LIMIT else np.float32(0)
    return [point_id(i) for i in best[:LIMIT]], {point_id(i) for i in best if np.float32(scores[i]) == last}


def ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.id for hit in hits]


def assert_as_oracle(hits: Sequence[Hit], query: Query, allowed: Sequence[bool]) -> None:
    expected, last = fused(query, allowed)
    found = ids(hits)
    assert len(found) == len(expected)
    assert found[:-1] == expected[:-1]
    assert found[-1:] == expected[-1:] or found[-1] in last


def test_hybrid_search_is_that_of_the_oracle(store: Store) -> None:
    for query, hits in zip(QUERIES, store.hybrid(QUERIES, LIMIT, {}), strict=True):
        assert_as_oracle(hits, query, [True] * COUNT)


def test_similarity_is_the_cosine_whichever_side_found_it(store: Store) -> None:
    row = {exemplar.id: number for number, exemplar in enumerate(EXEMPLARS)}
    for query, hits in zip(QUERIES, store.hybrid(QUERIES, LIMIT, {}), strict=True):
        expected = [dense(query)[row[hit.id]] for hit in hits]
        assert [hit.similarity for hit in hits] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("where", "allowed"),
    [
        ({"language": "es"}, [e.language == "es" for e in EXEMPLARS]),
        ({"labels.category": "SAP"}, [e.labels["category"] == "SAP" for e in EXEMPLARS]),
        ({"labels.Área 1.b": "north", "language": "en"}, [i % 2 == 1 and e.language == "en" for i, e in enumerate(EXEMPLARS)]),
    ],
)
def test_filters_hold_on_both_sides(store: Store, where: dict[str, str], allowed: list[bool]) -> None:
    for query, hits in zip(QUERIES, store.hybrid(QUERIES, LIMIT, where), strict=True):
        assert_as_oracle(hits, query, allowed)


def test_a_filter_that_nothing_passes_gives_nothing(store: Store) -> None:
    assert store.hybrid(QUERIES[:2], LIMIT, {"language": "fr"}) == [[], []]


def test_excluded_ids_and_groups_stay_out(store: Store) -> None:
    first = ids(store.hybrid(QUERIES[:1], LIMIT, {})[0])
    out = frozenset(first[:3])
    groups = frozenset({point_id(0), point_id(300)})
    query = replace(QUERIES[0], exclude=out, exclude_groups=groups)
    allowed = [e.id not in out and e.duplicate_group not in groups for e in EXEMPLARS]
    assert_as_oracle(store.hybrid([query], LIMIT, {})[0], query, allowed)


def test_each_query_of_a_batch_has_its_own_exclusions(store: Store) -> None:
    best = ids(store.hybrid(QUERIES[:1], LIMIT, {})[0])[0]
    with_it, without_it = store.hybrid([QUERIES[0], replace(QUERIES[0], exclude=frozenset({best}))], LIMIT, {})
    assert best in ids(with_it)
    assert best not in ids(without_it)


def test_a_ticket_without_words_is_searched_by_its_vector(store: Store) -> None:
    query = replace(QUERIES[0], sparse=Sparse([], []))
    expected = [point_id(i) for i in np.argsort(-dense(query))[:LIMIT].tolist()]
    assert ids(store.hybrid([query], LIMIT, {})[0]) == expected


def test_exemplars_come_back_whole_and_in_order(store: Store) -> None:
    assert store.exemplars() == sorted(EXEMPLARS, key=lambda exemplar: exemplar.id)
    assert store.count() == COUNT
    wanted = EXEMPLARS[17]
    assert store.get([wanted.id, point_id(10**6)]) == [wanted]


def test_the_same_id_again_replaces_the_point(shelf: Shelf) -> None:
    store = shelf.create(manifest(COUNT))
    store.upsert(EXEMPLARS[:2], VECTORS[:2], WORDS[:2])
    edited = replace(EXEMPLARS[1], body="línea 1\nlínea 2 \u00fc \U0001f600", labels={"category": "x"})
    store.upsert([edited], VECTORS[2:3], WORDS[2:3])
    store.settle()
    assert store.count() == 2
    assert store.get([edited.id]) == [edited]
    assert edited in store.exemplars()
    assert len(store.exemplars()) == 2
    store.close()


def test_a_graph_misses_hardly_anything(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the exact size: recall@10 of the dense side, with and without a filter, on clustered vectors."""
    monkeypatch.setattr(edge, "GRAPH_FROM_KB", 100)
    count, dimension = 6_000, 64
    random = np.random.default_rng(5)
    vectors = (random.normal(size=(count, 8)) @ random.normal(size=(8, dimension))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    exemplars = [replace(EXEMPLARS[i % COUNT], id=point_id(i)) for i in range(count)]
    pretended = manifest(EXACT_BELOW, dimension)
    store = EdgeStore.create(home / "index", pretended)
    store.upsert(exemplars, vectors, [Sparse([], [])] * count)
    store.settle()
    assert list(home.rglob("graph.bin")), "no graph was built"
    for where in ({}, {"language": "es"}):
        assert _recall(store, exemplars, vectors, where) >= 0.98
    store.close()


def _recall(store: Store, exemplars: Sequence[Exemplar], vectors: Vectors, where: dict[str, str]) -> float:
    queries = [Query(vector, Sparse([], [])) for vector in vectors[::50]]
    allowed = np.array([not where or exemplar.language == where["language"] for exemplar in exemplars])
    found = 0
    for query, hits in zip(queries, store.hybrid(queries, 10, where), strict=True):
        tenth = np.sort(np.where(allowed, vectors @ query.vector, -2.0))[-10]
        found += sum(hit.similarity >= tenth - 1e-6 for hit in hits)
    return found / (10 * len(queries))
