"""The audit names labels that all other exemplars speak against, and leaves a clean table nearly alone."""

import numpy as np

from core.taxonomy import FieldSpec, Label, Taxonomy
from core.ticket import Exemplar
from experts.audit import suspects
from experts.fitted import HeldOut

LABELS = ("Access", "Mail", "Network")
TAXONOMY = Taxonomy(version="1", fields={"category": FieldSpec(labels=tuple(Label(name=name) for name in LABELS))})


def held(said: np.ndarray) -> HeldOut:
    n = len(said)
    return HeldOut(said.max(axis=1), np.ones(n, bool), np.array(["" for _ in range(n)]), np.arange(n), np.log(said))


def table(n: int, wrong: set[int], seen: tuple[str, ...] = LABELS) -> tuple[list[Exemplar], np.ndarray]:
    """Exemplars whose true label goes round, and a judge that is 92 % sure of it."""
    exemplars, said = [], np.full((n, 3), 0.04)
    for i in range(n):
        true = LABELS.index(seen[i % len(seen)])
        said[i, true] = 0.92
        label = seen[(i + 1) % len(seen)] if i in wrong else LABELS[true]
        exemplars.append(Exemplar(str(i), "", f"text {i}", labels={"category": label}))
    return exemplars, said


def test_flipped_labels_are_found_with_what_is_likelier() -> None:
    wrong = {3, 40, 77}
    exemplars, said = table(120, wrong)
    found = suspects(TAXONOMY, exemplars, {"category": held(said)})
    assert {int(one.exemplar.id) for one in found} == wrong
    assert all(one.likely == LABELS[int(one.exemplar.id) % 3] and one.p_likely > 0.8 > one.p_label for one in found)


def test_a_clean_table_has_no_suspects_and_one_label_in_doubt_is_none() -> None:
    exemplars, said = table(120, set())
    assert suspects(TAXONOMY, exemplars, {"category": held(said)}) == []
    exemplars, said = table(30, {3})
    said[3] = (0.40, 0.35, 0.25)
    assert suspects(TAXONOMY, exemplars, {"category": held(said)}) == []


def test_the_clearest_come_first() -> None:
    exemplars, said = table(30, {3, 4})
    said[4] = np.roll((0.98, 0.01, 0.01), 4 % 3)
    assert [one.exemplar.id for one in suspects(TAXONOMY, exemplars, {"category": held(said)})] == ["4", "3"]
