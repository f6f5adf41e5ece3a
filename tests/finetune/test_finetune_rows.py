"""What is learned from and how it is split: verdicts win, near-duplicates stay together, the latest are the test."""

from collections import Counter

import numpy as np
import pytest
import yaml

from core.errors import InputError
from core.taxonomy import Taxonomy
from core.ticket import Exemplar
from finetune.rows import Gathered, divided, gathered
from observability.records import Record
from review.corrections import JOURNAL, Judged, judged
from tests.finetune.lesson_examples import TAXONOMY_FILE, decided, exemplar, renamed, said
from tests.knowledge.toy_knowledge import ToyEmbedder

TAXONOMY = Taxonomy.model_validate(yaml.safe_load(TAXONOMY_FILE.read_text(encoding="utf-8")))
CATEGORY, OTHER = TAXONOMY.labels("category")[:2]


def gather(known: list[Exemplar], verdicts: list[Exemplar]) -> Gathered:
    return gathered(known, verdicts, ToyEmbedder().encode([e.text for e in [*known, *verdicts]]))


def test_the_newest_verdict_on_a_field_counts_and_the_text_is_that_of_the_judged_revision() -> None:
    records: list[Record] = [
        decided("T-1", "first words of the ticket", "", "1"),
        said("T-1", "1", category=CATEGORY, urgency="Alta"),
        decided("T-1", "other words of the ticket", "", "2"),
        said("T-1", "1", category=OTHER),
        said("T-2", category=CATEGORY),
        decided("T-3", "never judged", ""),
    ]
    found = judged(records, TAXONOMY)
    (row,) = found.rows
    assert row.text == "first words of the ticket"
    assert row.labels == {"category": OTHER, "urgency": "Alta"}
    assert (row.source, row.source_id) == (JOURNAL, "T-1")


def test_labels_that_the_taxonomy_does_not_have_are_counted() -> None:
    found = judged([decided("T-1", "words", ""), said("T-1", category="Nothing such", nofield="x")], TAXONOMY)
    assert found == Judged((), 2)


def test_an_exemplar_takes_the_verdict_on_its_text() -> None:
    known = [exemplar("printer on floor two prints blank pages", category=CATEGORY, urgency="Alta"), exemplar("vpn drops")]
    verdict = renamed(known[0], labels={"category": OTHER}, source=JOURNAL, source_id="T-9")
    found = gather(known, [verdict])
    assert found.corrected == 1
    assert [e.labels for e in found.exemplars] == [{"category": OTHER, "urgency": "Alta"}, {}]


def test_an_exemplar_with_the_tickets_id_and_nearly_its_text_takes_the_verdict() -> None:
    known = [exemplar("the big printer on floor two of the main building prints blank pages again", category=CATEGORY)]
    text = "the big printer on floor two of the main building prints blank pages"
    verdict = renamed(exemplar(text, category=OTHER), source=JOURNAL, source_id=known[0].source_id)
    found = gather(known, [verdict])
    assert {e.labels["category"] for e in found.exemplars} == {OTHER}
    assert len(set(found.groups)) == 1


def test_a_text_with_the_same_labels_counts_once() -> None:
    assert len(gather([exemplar("alert disk full", category=CATEGORY)] * 3, []).exemplars) == 1
    other = exemplar("alert disk full", category=OTHER)
    assert len(gather([exemplar("alert disk full", category=CATEGORY), other], []).exemplars) == 2


def many(count: int, dated: bool) -> Gathered:
    """Every third ticket comes again, nearly the same and much later."""
    rng = np.random.default_rng(0)
    rows: list[Exemplar] = []
    for number in range(count):
        words = " ".join(f"w{rng.integers(10**6)}" for _ in range(12))
        rows.append(renamed(exemplar(words), resolved_at=f"2026-01-01T00:{number:02}" if dated else ""))
        if number % 3 == 0:
            rows.append(renamed(exemplar(f"{words} again"), resolved_at=f"2026-02-01T00:{number:02}" if dated else ""))
    return gather(rows, [])


@pytest.mark.parametrize("dated", [False, True])
def test_near_duplicates_are_in_one_split_and_held_out_tickets_stand_alone(dated: bool) -> None:
    rows, how = divided(many(60, dated), 0)
    assert how == ("time" if dated else "groups")
    splits = {row.group: {r.split for r in rows if r.group == row.group} for row in rows}
    assert all(len(found) == 1 for found in splits.values())
    held = Counter(row.group for row in rows if row.split != "train")
    assert set(held.values()) == {1}
    assert len([row for row in rows if row.split == "train"]) > len({r.group for r in rows if r.split == "train"})


def test_the_latest_tickets_are_the_test_where_all_have_dates() -> None:
    rows, _ = divided(many(60, True), 0)
    newest = {split: max(r.exemplar.resolved_at for r in rows if r.split == split) for split in ("validation", "test")}
    oldest = {split: min(r.exemplar.resolved_at for r in rows if r.split == split) for split in ("validation", "test")}
    assert newest["validation"] < oldest["test"]
    assert Counter(r.split for r in rows if r.split != "train") == {"validation": 6, "test": 6}


def test_without_dates_a_groups_part_stays_when_other_tickets_come() -> None:
    before = {row.group: row.split for row in divided(many(60, False), 0)[0]}
    after = {row.group: row.split for row in divided(many(90, False), 0)[0]}
    assert before.items() <= after.items()


def test_too_few_tickets_are_refused() -> None:
    with pytest.raises(InputError, match="too few"):
        divided(many(2, True), 0)
