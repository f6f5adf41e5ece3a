"""Folds by group."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.splits import group_folds

ITEMS = st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abc")), min_size=1, max_size=120)


@given(ITEMS, st.integers(2, 6), st.integers(0, 5))
def test_a_group_is_never_split(items: list[tuple[int, str]], folds: int, seed: int) -> None:
    groups, labels = np.array([g for g, _ in items]), np.array([name for _, name in items])
    fold = group_folds(groups, labels, folds, seed)
    assert fold.shape == groups.shape
    assert ((fold >= 0) & (fold < folds)).all()
    for group in np.unique(groups):
        assert len(np.unique(fold[groups == group])) == 1


@given(ITEMS, st.integers(2, 6), st.integers(0, 5))
def test_labels_are_spread_as_evenly_as_their_groups_allow(items: list[tuple[int, str]], folds: int, seed: int) -> None:
    groups, labels = np.array([g for g, _ in items]), np.array([name for _, name in items])
    fold = group_folds(groups, labels, folds, seed)
    _, first = np.unique(groups, return_index=True)
    for name in np.unique(labels[first]):
        counts = np.bincount(fold[first][labels[first] == name], minlength=folds)
        assert counts.max() - counts.min() <= 1
    sizes = np.bincount(fold[first], minlength=folds)
    assert sizes.max() - sizes.min() <= 1


def test_without_groups_each_label_has_its_share_of_each_fold() -> None:
    labels = np.repeat(["rare", "common"], [10, 490])
    fold = group_folds(np.arange(500), labels, 5)
    assert np.bincount(fold[labels == "rare"]).tolist() == [2] * 5
    assert np.bincount(fold[labels == "common"]).tolist() == [98] * 5


def test_the_seed_decides() -> None:
    groups, labels = np.arange(100), np.repeat(["a", "b"], 50)
    first = group_folds(groups, labels, 5, seed=1)
    assert (first == group_folds(groups, labels, 5, seed=1)).all()
    assert (first != group_folds(groups, labels, 5, seed=2)).any()
    assert (np.diff(first) != 0).any()


def test_fewer_groups_than_folds() -> None:
    first, again, other = group_folds(np.array([7, 7, 9]), np.array(["a", "a", "b"]), 5)
    assert first == again != other
