"""Ingest: a second one changes nothing, edits replace, prune removes, and the index serves all the while."""

from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import InputError, KnowledgeError
from core.ticket import Exemplar, Vectors
from knowledge.base import KnowledgeBase
from knowledge.cache import CachedEmbedder
from knowledge.edge_shelf import EdgeShelf
from knowledge.ingest import IngestReport, exemplar_id, ingest
from knowledge.server_shelf import ServerShelf
from knowledge.stores import Shelf
from tests.knowledge.toy_knowledge import ToyEmbedder, past, ticket

ROWS = past(24)


def run(shelf: Shelf, rows: list[Exemplar], source: str = "history", *, prune: bool = False) -> IngestReport:
    return ingest(shelf, ToyEmbedder(), rows, source=source, prune=prune)


def held(shelf: Shelf) -> dict[str, Exemplar]:
    """What is searched, by id at the source; read from the opened index."""
    with KnowledgeBase.open(shelf, ToyEmbedder()) as base:
        assert base.count() == len(base.exemplars())
        return {exemplar.source_id: exemplar for exemplar in base.exemplars()}


def test_rows_become_exemplars_with_an_id_of_their_content(shelf: Shelf) -> None:
    report = run(shelf, ROWS)
    assert (report.added, report.total) == (24, 24)
    assert (report.replaced, report.unchanged, report.pruned, report.repeated) == (0, 0, 0, 0)
    for row in ROWS:
        kept = held(shelf)[row.source_id]
        assert kept == replace(row, id=exemplar_id(row), source="history", duplicate_group=kept.duplicate_group)


def test_a_second_ingest_changes_nothing_and_embeds_nothing(shelf: Shelf) -> None:
    first, embedder = run(shelf, ROWS), ToyEmbedder()
    before = shelf.current()
    again = ingest(shelf, embedder, reversed(ROWS), source="history")
    assert embedder.asked == 0
    assert shelf.current() == before
    assert again == replace(first, added=0, unchanged=24)


def test_an_edited_row_takes_the_place_of_the_old_one(shelf: Shelf) -> None:
    first = run(shelf, ROWS)
    edited = replace(ROWS[3], labels={"category": "Changed"})
    report = run(shelf, [*ROWS[:3], edited, *ROWS[4:]])
    assert (report.added, report.replaced, report.unchanged, report.pruned) == (0, 1, 23, 0)
    assert report.version != first.version
    assert len(held(shelf)) == 24
    assert held(shelf)["INC-3"].labels == {"category": "Changed"}


def test_a_change_outside_the_id_is_kept_too(shelf: Shelf) -> None:
    run(shelf, ROWS)
    report = run(shelf, [replace(ROWS[0], mailbox="it@example.org")])
    assert (report.added, report.replaced, report.unchanged, report.total) == (0, 1, 0, 24)
    assert held(shelf)["INC-0"].mailbox == "it@example.org"


def test_what_left_the_file_stays_unless_pruned(shelf: Shelf) -> None:
    run(shelf, ROWS)
    run(shelf, past(30)[24:], source="other")
    assert run(shelf, ROWS[:20]).total == 30
    report = run(shelf, ROWS[:20], prune=True)
    assert (report.pruned, report.unchanged, report.total) == (4, 20, 26)
    assert set(held(shelf)) == {f"INC-{n}" for n in (*range(20), *range(24, 30))}


def test_repeated_rows_count_once(shelf: Shelf) -> None:
    later = replace(ROWS[1], resolution="The later row counts.")
    anonymous = replace(ROWS[2], source_id="")
    report = run(shelf, [*ROWS, later, anonymous, anonymous])
    assert (report.added, report.repeated, report.total) == (25, 2, 25)
    assert held(shelf)["INC-1"].resolution == "The later row counts."


def test_the_same_row_in_a_renamed_file_is_the_same_exemplar(shelf: Shelf) -> None:
    run(shelf, ROWS, source="history.csv")
    report = run(shelf, ROWS, source="history-2.csv", prune=True)
    assert (report.added, report.unchanged, report.total) == (0, 24, 24)
    assert run(shelf, ROWS[:1], source="history.csv", prune=True).total == 24


def test_near_duplicates_are_grouped_and_counted(shelf: Shelf) -> None:
    text = "Printer on the third floor is jammed again and nobody can print any invoices since this morning"
    alike = [Exemplar(id="", subject=text, body=f"{n}", source_id=f"D{n}") for n in range(3)]
    assert run(shelf, [*alike, ROWS[0]]).duplicates == 2
    groups = {key: exemplar.duplicate_group for key, exemplar in held(shelf).items()}
    assert groups["D0"] == groups["D1"] == groups["D2"] == min(exemplar_id(exemplar) for exemplar in alike)
    assert groups["INC-0"] == ""


def test_nothing_to_ingest_is_an_error_and_removes_nothing(shelf: Shelf) -> None:
    run(shelf, ROWS)
    with pytest.raises(InputError, match="no row"):
        run(shelf, [], prune=True)
    assert len(held(shelf)) == 24


def test_a_small_table_without_most_columns_is_a_knowledge_base(shelf: Shelf) -> None:
    rows = [replace(row, subject="", labels={"resolution_kind": "manual"}, language="", source_id="") for row in past(60)]
    assert run(shelf, rows).total == 60
    with KnowledgeBase.open(shelf, ToyEmbedder()) as base:
        (found,) = base.search([ticket(rows[7].text)], ToyEmbedder().encode([rows[7].text]), 3)
    assert found[0].exemplar.body == rows[7].body


def test_the_old_version_answers_while_the_new_one_is_built(shelf: Shelf) -> None:
    run(shelf, ROWS)
    seen = []

    def look(stage: str, done: int, total: int) -> None:
        seen.append((stage, shelf.current(), len(shelf.exemplars())))

    old = shelf.current()
    ingest(shelf, ToyEmbedder(), past(30), source="history", progress=look)
    assert {stage for stage, _, _ in seen} == {"embed", "duplicates", "index"}
    assert {(manifest, count) for _, manifest, count in seen} == {(old, 24)}
    assert len(shelf.exemplars()) == 30


def test_one_who_searches_is_not_disturbed_by_an_ingest(shelf: Shelf) -> None:
    run(shelf, ROWS)
    vectors = ToyEmbedder().encode([ROWS[0].text])
    with KnowledgeBase.open(shelf, ToyEmbedder()) as base:
        before = base.search([ticket(ROWS[0].text)], vectors, 5)
        run(shelf, past(30))
        assert base.search([ticket(ROWS[0].text)], vectors, 5) == before
        assert base.count() == 24
    assert len(held(shelf)) == 30


class Failing(ToyEmbedder):
    def encode(self, texts: object, progress: object = None) -> Vectors:
        raise MemoryError


def test_an_ingest_that_fails_leaves_the_old_index(shelf: Shelf) -> None:
    run(shelf, ROWS)
    with pytest.raises(MemoryError):
        ingest(shelf, Failing(), past(30), source="history")
    assert len(held(shelf)) == 24
    assert run(shelf, past(30)).added == 6


def versions(shelf: Shelf) -> int:
    if isinstance(shelf, ServerShelf):
        return sum(collection.name.startswith("tamiz_test") for collection in shelf._client.get_collections().collections)
    assert isinstance(shelf, EdgeShelf)
    return sum(path.is_dir() for path in shelf.folder.iterdir())


def test_what_an_unfinished_build_left_is_removed(shelf: Shelf) -> None:
    run(shelf, ROWS)
    current = shelf.current()
    assert current is not None
    shelf.create(current.model_copy(update={"version": "0123456789abcdef"})).close()
    assert versions(shelf) == 2
    run(shelf, ROWS)
    assert versions(shelf) == 1
    assert len(held(shelf)) == 24


def test_only_one_ingest_at_a_time(shelf: Shelf) -> None:
    with shelf.lock(), pytest.raises(KnowledgeError, match="Another ingest"):
        run(shelf, ROWS)


@pytest.fixture
def damaged(home: Path) -> EdgeShelf:
    shelf = EdgeShelf(home)
    run(shelf, ROWS)
    return shelf


@pytest.mark.parametrize("name", ["segment.json", "mutable_id_tracker.mappings", "status.dat", "manifest.json"])
def test_a_damaged_index_is_named_and_the_next_ingest_rebuilds_it(damaged: EdgeShelf, name: str) -> None:
    for file in damaged.folder.rglob(name):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(KnowledgeError, match="ingest"):
        KnowledgeBase.open(damaged, ToyEmbedder())
    assert run(damaged, ROWS).unchanged == 24
    assert len(held(damaged)) == 24


def test_an_index_of_another_format_is_named_and_rebuilt(damaged: EdgeShelf) -> None:
    (path,) = damaged.folder.rglob("manifest.json")
    path.write_text(path.read_text().replace('"format": 2', '"format": 0'))
    with pytest.raises(KnowledgeError, match=r"format 0.*ingest"):
        KnowledgeBase.open(damaged, ToyEmbedder())
    run(damaged, ROWS)
    assert len(held(damaged)) == 24


def test_only_new_texts_are_embedded(home: Path) -> None:
    inner = ToyEmbedder()
    embedder = CachedEmbedder(inner, home / "vectors.sqlite3")
    ingest(EdgeShelf(home), embedder, ROWS, source="history")
    ingest(EdgeShelf(home), embedder, past(26), source="history")
    assert inner.asked == 26


def test_old_versions_are_removed(home: Path) -> None:
    shelf = EdgeShelf(home)
    for count in (3, 4, 5):
        run(shelf, past(count))
    assert len([path for path in shelf.folder.iterdir() if path.is_dir()]) == 1


def test_ids_ignore_spacing_and_label_order_and_nothing_else() -> None:
    row = replace(ROWS[0], labels={"a": "1", "b": "2"})
    assert exemplar_id(row) == exemplar_id(replace(row, subject=f" {row.subject}  ", labels={"b": "2", "a": "1"}))
    assert exemplar_id(row) == exemplar_id(replace(row, mailbox="x", language="es", duplicate_group="g", id="y"))
    changed = [
        replace(row, subject="x"),
        replace(row, body="x"),
        replace(row, labels={"a": "1"}),
        replace(row, resolution="x"),
        replace(row, source_id="x"),
    ]
    assert len({exemplar_id(other) for other in [row, *changed]}) == 6
