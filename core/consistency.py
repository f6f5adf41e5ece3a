"""The likeliest combination of labels that breaks no cross-field rule."""

import heapq
from collections.abc import Mapping, Sequence

import numpy as np

from core.taxonomy import Taxonomy
from core.triage import LogProbs

MOST_TRIES = 20_000
"""Partial combinations that are looked at (about 20 µs each); most tickets need a few dozen."""

Ranked = Sequence[tuple[str, float]]
"""A field's labels with their log-probabilities, the likeliest first."""


def consistent_labels(taxonomy: Taxonomy, fused: Mapping[str, LogProbs], ticket: int) -> dict[str, str]:
    """field -> label for one ticket (row `ticket` of every distribution): the highest sum of log-probabilities that obeys
    the rules, among the fields that rules mention; the argmax elsewhere. Where no combination obeys, or none is found in
    MOST_TRIES, the field-wise argmax is returned and the critic sees the contradiction.
    """
    best = {field: taxonomy.labels(field)[int(log_p[ticket].argmax())] for field, log_p in fused.items()}
    if not taxonomy.violations(best):
        return best
    ruled = {f for rule in taxonomy.rules for f in (*rule.when, *rule.allow)}
    ranked = {f: _ranked(taxonomy.labels(f), fused[f][ticket]) for f in fused if f in ruled}
    return {**best, **_likeliest(taxonomy, ranked)}


def _ranked(names: Sequence[str], log_p: LogProbs) -> Ranked:
    return [(names[int(i)], float(log_p[i])) for i in np.argsort(-log_p, kind="stable")]


def _likeliest(taxonomy: Taxonomy, ranked: Mapping[str, Ranked]) -> dict[str, str]:
    """Best-first search: what comes off the heap has the highest sum that can still be reached, so the first whole
    combination is the likeliest. Empty where there is none.
    """
    fields = list(ranked)
    hope = [sum(ranked[f][0][1] for f in fields[depth:]) for depth in range(len(fields) + 1)]
    # Each entry: minus what can be reached, labels so far, their sum, which label of the next field to try.
    heap: list[tuple[float, tuple[str, ...], float, int]] = [(-hope[0], (), 0.0, 0)]
    for _ in range(MOST_TRIES):
        if not heap:
            break
        _, chosen, total, at = heapq.heappop(heap)
        options = ranked[fields[len(chosen)]]
        if at + 1 < len(options):
            heapq.heappush(heap, (-(total + options[at + 1][1] + hope[len(chosen) + 1]), chosen, total, at + 1))
        longer = (*chosen, options[at][0])
        labels = dict(zip(fields, longer, strict=False))
        if taxonomy.violations(labels):
            continue
        if len(longer) == len(fields):
            return labels
        reached = total + options[at][1]
        heapq.heappush(heap, (-(reached + hope[len(longer)]), longer, reached, 0))
    return {}
