"""Splits are stratified and seeded; a limit keeps the proportions."""

import numpy as np
import pytest

from tl_strategies.data.split import PARTS, split, take


@pytest.mark.parametrize("counts", [(3, 3), (4, 7, 100), (150, 52, 63), (1000, 3)])
@pytest.mark.parametrize("seed", [0, 1])
def test_parts_of_each_class(counts, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    parts = split(labels, seed)
    np.testing.assert_array_equal(parts, split(labels, seed))
    for label, count in enumerate(counts):
        found = {part: int(np.sum(parts[labels == label] == part)) for part in PARTS}
        assert found["validation"] == found["test"] == max(1, round(0.15 * count))
        assert sum(found.values()) == count
        assert found["train"] >= 1


def test_another_seed_is_another_split():
    labels = np.repeat(np.arange(3), 20)
    assert (split(labels, 0) != split(labels, 1)).any()


@pytest.mark.parametrize("limit", [3, 4, 10, 37, 100, 10_000])
def test_limit_keeps_proportions(limit):
    labels = np.repeat(np.arange(3), (30, 60, 300))
    train = np.flatnonzero(split(labels, 0) == "train")
    chosen = take(labels, train, limit, 0)
    assert len(chosen) == min(limit, len(train))
    assert set(chosen) <= set(train)
    assert len(set(chosen)) == len(chosen)
    assert set(labels[chosen]) == {0, 1, 2}
    share = np.bincount(labels[chosen]) / len(chosen)
    if limit > 30:
        np.testing.assert_allclose(share, np.bincount(labels[train]) / len(train), atol=0.03)
    if limit <= 37:
        assert set(chosen) <= set(take(labels, train, 2 * limit, 0))
