"""What a critic judges is said without having seen the row, its near-duplicates or anything held out."""

import numpy as np
import yaml

from core.taxonomy import Taxonomy
from finetune.proposals import proposals
from finetune.rows import Row
from tests.finetune.lesson_examples import TAXONOMY_FILE, exemplar

TAXONOMY = Taxonomy.model_validate(yaml.safe_load(TAXONOMY_FILE.read_text(encoding="utf-8")))
NAMES = TAXONOMY.labels("category")
WORDS = ("vpn tunnel drops", "printer jams paper", "password expired again")


def rows() -> list[Row]:
    """30 training tickets whose words tell their category, then one held-out ticket of each with another label."""
    known = [Row(exemplar(f"{WORDS[i % 3]} case {i * 7919}", category=NAMES[i % 3]), f"g{i}", "train") for i in range(30)]
    return known + [Row(exemplar(f"{WORDS[i]} today", category=NAMES[3]), f"t{i}", "test") for i in range(3)]


def test_labels_of_held_out_rows_change_nothing() -> None:
    made = rows()
    flat = {"category": np.full((len(made), len(NAMES)), -np.log(len(NAMES)))}
    said = proposals(made, [row.exemplar.labels for row in made], flat, TAXONOMY, 0)
    assert [one["category"] for one in said[:30]] == [NAMES[i % 3] for i in range(30)]
    assert [one["category"] for one in said[30:]] == list(NAMES[:3])


def test_a_row_does_not_know_its_own_group() -> None:
    """Two near-duplicates with a label that nothing else has: neither may have learned it from the other."""
    made = rows()
    pair = [Row(exemplar(f"badge reader beeps {word}", category=NAMES[4]), "pair", "train") for word in ("twice", "thrice")]
    made = [*made[:15], pair[0], *made[15:30], pair[1], *made[30:]]
    flat = {"category": np.full((len(made), len(NAMES)), -np.log(len(NAMES)))}
    said = proposals(made, [row.exemplar.labels for row in made], flat, TAXONOMY, 0)
    assert said[15]["category"] != NAMES[4]
    assert said[31]["category"] != NAMES[4]


def test_the_vote_has_a_say() -> None:
    made = rows()
    vote = np.full((len(made), len(NAMES)), -30.0)
    vote[:, 5] = 0.0
    said = proposals(made, [row.exemplar.labels for row in made], {"category": vote}, TAXONOMY, 0)
    assert {one["category"] for one in said} == {NAMES[5]}
