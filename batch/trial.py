"""Whether a candidate base is worse than the one in use: both are fitted the same way and score the same held-out exemplars.

Held out is every exemplar that both have with the same labels: each is judged out of fold, by what was fitted without it and its
near-duplicates. The language models are left out: they read a sample only, and the same way in both.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batch.night import Paired
from core.metrics import mcnemar_p
from core.taxonomy import Taxonomy
from core.ticket import Exemplar, Vectors
from experts.fit import fit
from experts.fitted import Fitted
from knowledge.base import KnowledgeBase

ALPHA = 0.05
Encode = Callable[[Sequence[str]], Vectors]


def trial(taxonomy: Taxonomy, knowledge: KnowledgeBase, encode: Encode, k: int) -> tuple[Fitted, list[Exemplar]]:
    """A fit without language models, and the exemplars in the order of its rows."""
    exemplars = sorted(knowledge.exemplars(), key=lambda one: (one.source, one.source_id, one.id))

    def search(tickets: Any, vectors: Any, k: int, exclude: Any) -> Any:  # noqa: ANN401 - the types of `core.retrieval.Search`
        return knowledge.search(tickets, vectors, k, exclude=exclude)

    return fit(taxonomy, exemplars, encode([one.text for one in exemplars]), search, encode, k=k), exemplars


def compared(before: tuple[Fitted, Sequence[Exemplar]], after: tuple[Fitted, Sequence[Exemplar]]) -> list[Paired]:
    """Each field that both know, on the exemplars that both have with the same label."""
    return [
        _paired(name, _right(name, *before), _right(name, *after), before[0], after[0])
        for name in before[0].fields
        if name in after[0].fields
    ]


def _right(name: str, fitted: Fitted, exemplars: Sequence[Exemplar]) -> dict[tuple[str, str], bool]:
    """(exemplar's id, its label) -> whether it was told out of fold."""
    held = fitted.held_out[name]
    rows = [exemplars[row] for row in held.rows]
    return {(one.id, one.labels[name]): bool(right) for one, right in zip(rows, held.right, strict=True)}


def _paired(
    name: str, old: dict[tuple[str, str], bool], new: dict[tuple[str, str], bool], before: Fitted, after: Fitted
) -> Paired:
    both = sorted(old.keys() & new.keys())
    ours, theirs = _bools(new, both), _bools(old, both)
    won, lost, p = int((ours & ~theirs).sum()), int((~ours & theirs).sum()), mcnemar_p(ours, theirs)
    return Paired(
        field=name,
        n=len(both),
        before=float(theirs.mean()) if both else 0.0,
        after=float(ours.mean()) if both else 0.0,
        won=won,
        lost=lost,
        p=p,
        worse=lost > won and p < ALPHA,
        coverage_before=before.thresholds[name].coverage,
        coverage_after=after.thresholds[name].coverage,
    )


def _bools(right: dict[tuple[str, str], bool], keys: Sequence[tuple[str, str]]) -> NDArray[np.bool_]:
    return np.array([right[key] for key in keys], dtype=bool)
