"""The likeliest combination of labels that breaks no cross-field rule."""

import heapq
from collections.abc import Mapping, Sequence

import numpy as np

from core.taxonomy import Taxonomy
from core.triage import LogProbs

CANDIDATES = 6
"""Labels per field that are tried; the tail beyond has next to no probability."""
BEAM = 60
"""Partial combinations kept after each field."""


def consistent_labels(taxonomy: Taxonomy, fused: Mapping[str, LogProbs], ticket: int) -> dict[str, str]:
    """field -> label for one ticket (row `ticket` of every distribution): the highest sum of log-probabilities that obeys
    the rules, by beam search over the fields that rules mention; the argmax elsewhere. Where no combination among the
    candidates obeys, the field-wise argmax is returned and the critic sees the contradiction.
    """
    best = {field: taxonomy.labels(field)[int(log_p[ticket].argmax())] for field, log_p in fused.items()}
    if not taxonomy.violations(best):
        return best
    ruled = {f for rule in taxonomy.rules for f in (*rule.when, *rule.allow)}
    searched = [f for f in fused if f in ruled]
    options = {f: _candidates(taxonomy, f, fused[f], ticket) for f in searched}
    beam: list[tuple[float, dict[str, str]]] = [(0.0, {})]
    for field in searched:
        extended = [(total + log_p, {**labels, field: name}) for total, labels in beam for name, log_p in options[field]]
        allowed = [item for item in extended if not taxonomy.violations(item[1])]
        beam = heapq.nlargest(BEAM, allowed, key=lambda item: item[0])
    return {**best, **beam[0][1]} if beam else best


def _candidates(taxonomy: Taxonomy, field: str, log_p: LogProbs, ticket: int) -> Sequence[tuple[str, float]]:
    names = taxonomy.labels(field)
    order = np.argsort(-log_p[ticket], kind="stable")[:CANDIDATES]
    return [(names[int(i)], float(log_p[ticket, i])) for i in order]
