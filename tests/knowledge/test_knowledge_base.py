"""What the rest of the house gets from a search: evidence, not repetition, and nothing where nothing is near."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from core.errors import InputError, KnowledgeError
from core.ticket import CleanTicket, Exemplar, Neighbor
from knowledge.base import KnowledgeBase
from knowledge.ingest import ingest
from knowledge.stores import Shelf
from tests.knowledge.toy_knowledge import ToyEmbedder, past, ticket

EMBEDDER = ToyEmbedder()
ALERT = "Disk almost full on server alpha volume data threshold ninety percent reached please clean old log files"
ALERTS = [
    Exemplar(id="", subject=ALERT, body=f"Alert number {n}", language="en", labels={"category": "Storage"}, source_id=f"A{n}")
    for n in range(60)
]
SPANISH = Exemplar(
    id="",
    subject="La impresora Zebra ZT411 no imprime etiquetas",
    body="Sale en blanco",
    language="es",
    labels={"category": "Printer"},
    source_id="S1",
)


@pytest.fixture(scope="module")
def base(lasting_shelf: Shelf) -> Iterator[KnowledgeBase]:
    ingest(lasting_shelf, EMBEDDER, [*past(128), *ALERTS, SPANISH], source="history")
    with KnowledgeBase.open(lasting_shelf, EMBEDDER) as opened:
        yield opened


def search(base: KnowledgeBase, *tickets: CleanTicket, k: int = 5, **options: object) -> list[list[Neighbor]]:
    return base.search(tickets, EMBEDDER.encode([t.text for t in tickets]), k, **options)  # type: ignore[arg-type]


def test_the_resolved_ticket_itself_comes_first(base: KnowledgeBase) -> None:
    known = base.exemplars()[5]
    (found,) = search(base, ticket(known.text))
    assert found[0].exemplar == known
    assert found[0].similarity == pytest.approx(1.0, abs=1e-5)
    assert [n.similarity for n in found] == pytest.approx(
        EMBEDDER.encode([n.exemplar.text for n in found]) @ EMBEDDER.encode([known.text])[0], abs=1e-5
    )


def test_one_incident_counts_once_and_does_not_crowd_out_the_rest(base: KnowledgeBase) -> None:
    (found,) = search(base, ticket(ALERT), k=8)
    assert sum(n.exemplar.labels["category"] == "Storage" for n in found) == 1
    assert len(found) == 8 or min(n.similarity for n in found) >= 0.25


def test_crowded_search_widens_until_there_are_enough(lasting_shelf: Shelf, base: KnowledgeBase) -> None:
    with_floor_off = KnowledgeBase(base.manifest, base._store, floor=-1.0)
    (found,) = search(with_floor_off, ticket(ALERT), k=8)
    assert len(found) == 8


def test_excluding_one_of_a_group_excludes_its_twins(base: KnowledgeBase) -> None:
    (found,) = search(base, ticket(ALERT))
    alert = next(n.exemplar for n in found if n.exemplar.labels["category"] == "Storage")
    (again,) = search(base, ticket(ALERT), exclude=[{alert.id}])
    assert all(n.exemplar.labels["category"] != "Storage" for n in again)


def test_exclusions_belong_to_their_ticket(base: KnowledgeBase) -> None:
    known = base.exemplars()[5]
    without, with_it = search(base, ticket(known.text), ticket(known.text), exclude=[{known.id}, set()])
    assert known.id not in {n.exemplar.id for n in without}
    assert known.id in {n.exemplar.id for n in with_it}


def test_below_the_floor_there_is_nothing(base: KnowledgeBase) -> None:
    strict = KnowledgeBase(base.manifest, base._store, floor=0.999)
    known = base.exemplars()[5]
    exact, unlike = search(strict, ticket(known.text), ticket("zzz qqq xxx"))
    assert [n.exemplar.id for n in exact] == [known.id]
    assert unlike == []


def test_filters(base: KnowledgeBase) -> None:
    (found,) = search(base, ticket("Outlook does not start"), where={"language": "es", "labels.category": "Outlook"})
    assert found
    assert {(n.exemplar.language, n.exemplar.labels["category"]) for n in found} == {("es", "Outlook")}


@pytest.mark.parametrize("key", ["category", "labels.colour", "body", 'labels.a"b'])
def test_a_filter_that_does_not_exist_is_an_error_and_not_an_empty_answer(base: KnowledgeBase, key: str) -> None:
    with pytest.raises(InputError, match=r"labels\.category"):
        search(base, ticket("x"), where={key: "Outlook"})


def test_a_product_name_crosses_the_languages(base: KnowledgeBase) -> None:
    """An English ticket far from the Spanish one in vectors, but with its product in it."""
    base = KnowledgeBase(base.manifest, base._store, floor=-1.0)
    far = -EMBEDDER.encode([SPANISH.text])
    (found,) = base.search([ticket("our ZT411 prints blank labels")], far, 5)
    assert SPANISH.subject in {n.exemplar.subject for n in found}


def test_many_tickets_at_once_are_searched_like_each_alone(base: KnowledgeBase) -> None:
    tickets = [ticket(exemplar.text) for exemplar in base.exemplars()[:70]]
    together = search(base, *tickets)
    assert len(together) == 70
    for number in (0, 63, 64, 69):
        assert together[number] == search(base, tickets[number])[0]


def test_no_tickets_no_search(base: KnowledgeBase) -> None:
    assert base.search([], np.zeros((0, 64), np.float32), 5) == []


def test_vectors_of_another_shape_are_refused(base: KnowledgeBase) -> None:
    with pytest.raises(ValueError, match="shape"):
        base.search([ticket("x")], np.zeros((1, 3), np.float32), 5)


def test_get_and_count(base: KnowledgeBase) -> None:
    first, second = base.exemplars()[:2]
    absent = "00000000-0000-5000-8000-000000000000"
    assert base.get([first.id, second.id, first.id, absent]) == {first.id: first, second.id: second}
    assert base.count() == len(base.exemplars()) == 128 + 60 + 1


def test_another_embedder_is_refused_by_name(shelf: Shelf) -> None:
    ingest(shelf, EMBEDDER, past(3), source="history")
    other = ToyEmbedder("other@2")
    with pytest.raises(KnowledgeError, match=r"built with the embedder toy@1, the settings say other@2.*ingest"):
        KnowledgeBase.open(shelf, other)
    ingest(shelf, other, past(3), source="history")
    with KnowledgeBase.open(shelf, other) as base:
        assert base.count() == 3


def test_there_is_none_yet(shelf: Shelf) -> None:
    with pytest.raises(KnowledgeError, match=r"no knowledge base yet.*ingest"):
        KnowledgeBase.open(shelf, EMBEDDER)


def test_an_unknown_exclusion_does_no_harm(base: KnowledgeBase) -> None:
    known = base.exemplars()[5]
    (found,) = search(base, ticket(known.text), exclude=[{replace(known, id="00000000-0000-5000-8000-000000000000").id}])
    assert found[0].exemplar == known
