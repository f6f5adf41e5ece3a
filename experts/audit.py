"""Labels that are likely wrong: all the other exemplars speak clearly against them, judged out of fold.

The rule is that of the critic's suspects: a fused probability under `SUSPECT`. Confident learning (Northcutt, Jiang and Chuang,
JAIR 2021) found as many of the planted errors with a list half as long again (docs/LOG.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.taxonomy import Taxonomy
from core.ticket import Exemplar
from experts.fit import SUSPECT
from experts.fitted import HeldOut


@dataclass(frozen=True, slots=True)
class Suspect:
    """An exemplar's label that is likely wrong: how likely each is by what was learned from all the others, 0..1."""

    exemplar: Exemplar
    field: str
    label: str
    likely: str
    p_label: float
    p_likely: float


def suspects(taxonomy: Taxonomy, exemplars: Sequence[Exemplar], held_out: Mapping[str, HeldOut]) -> list[Suspect]:
    """The suspects of every field, the likeliest first. `exemplars` in the order in which they were fitted on."""
    found = [one for name, held in held_out.items() for one in _of_field(taxonomy, exemplars, name, held)]
    return sorted(found, key=lambda one: (one.p_label - one.p_likely, one.exemplar.id, one.field))


def _of_field(taxonomy: Taxonomy, exemplars: Sequence[Exemplar], name: str, held: HeldOut) -> list[Suspect]:
    labels = taxonomy.labels(name)
    given = np.array([labels.index(exemplars[row].labels[name]) for row in held.rows], dtype=np.intp)
    places = np.arange(len(given))
    own, best = np.exp(held.log_probs[places, given]), held.log_probs.argmax(axis=1)
    return [
        Suspect(
            exemplar=exemplars[held.rows[i]],
            field=name,
            label=labels[given[i]],
            likely=labels[best[i]],
            p_label=float(own[i]),
            p_likely=float(np.exp(held.log_probs[i, best[i]])),
        )
        for i in np.flatnonzero(own < SUSPECT)
    ]
