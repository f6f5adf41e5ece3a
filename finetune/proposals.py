"""What a triage would propose for tickets that it has not seen: the errors that a critic learns from."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from core.taxonomy import Taxonomy
from core.triage import LogProbs
from experts.linear import fit_linear
from experts.outoffold import fold_exemplars
from finetune.rows import Row

FOLDS = 5


def proposals(
    rows: Sequence[Row],
    labels: Sequence[Mapping[str, str]],
    votes: Mapping[str, LogProbs],
    taxonomy: Taxonomy,
    seed: int,
) -> list[dict[str, str]]:
    """field -> label of each row: neighbours' vote and linear head, pooled with equal weights.

    Args:
        labels: each row's labels, all known to the taxonomy.
        votes: field -> log-probabilities (rows, labels), by neighbours outside a row's own group.

    A training row is read by a head that was fitted without its fold, which near-duplicates share; a held-out row by one that
    was fitted on all training rows.
    """
    linear = _linear(rows, labels, tuple(votes), taxonomy, seed)
    best = {field: (votes[field] + linear[field]).argmax(axis=1) for field in votes}
    return [{field: taxonomy.labels(field)[int(best[field][i])] for field in votes} for i in range(len(rows))]


def _linear(
    rows: Sequence[Row], labels: Sequence[Mapping[str, str]], fields: tuple[str, ...], taxonomy: Taxonomy, seed: int
) -> dict[str, LogProbs]:
    texts = [row.exemplar.text for row in rows]
    train = np.array([i for i, row in enumerate(rows) if row.split == "train"], dtype=np.intp)
    fold = np.full(len(rows), FOLDS)  # held-out rows are a fold of their own, on which nothing is fitted
    grouped = [replace(rows[i].exemplar, duplicate_group=rows[i].group) for i in train]
    fold[train] = fold_exemplars(grouped, fields[0], FOLDS, seed)
    result = {field: np.empty((len(rows), len(taxonomy.labels(field)))) for field in fields}
    for number in np.unique(fold):
        seen, held = train[fold[train] != number], np.flatnonzero(fold == number)
        head = fit_linear([texts[i] for i in seen], [labels[i] for i in seen], taxonomy, fields)
        for field, log_p in head.read([texts[i] for i in held]).items():
            result[field][held] = log_p
    return result
