"""Splits by group: near-duplicates never fall on two sides."""

import numpy as np
from numpy.typing import NDArray


def group_folds(groups: NDArray[np.intp], labels: NDArray[np.str_], folds: int, seed: int = 0) -> NDArray[np.intp]:
    """Fold number (0..folds-1) of each item; items of one group share a fold, and labels are spread evenly.

    Groups are shuffled, ordered by the label of their first member and dealt out in turn, so that every label is spread
    over the folds as evenly as its number of groups allows. Deterministic in `seed`.
    """
    unique, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    shuffled = np.random.default_rng(seed).permutation(len(unique))
    dealt = shuffled[np.argsort(labels[first][shuffled], kind="stable")]
    fold_of_group = np.empty(len(unique), dtype=np.intp)
    fold_of_group[dealt] = np.arange(len(unique)) % folds
    return fold_of_group[inverse]
