"""Differences between the networks of a study, and how sure they are.

Differences are taken within a split, its direction and a repeat, since bases of different splits
differ by more than most treatments do. Intervals are percentiles of bootstrap means over splits.
"""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

RESAMPLES = 10_000
LEVEL = 95  # percent

Row = dict[str, Any]
Place = tuple[str, str, int]  # split, direction and repeat
Groups = dict[tuple[str, str, int], dict[Place, float]]  # by kind of split, treatment and n


def kind_of(split: str) -> str:
    """What a split is one of: "random" of "random3"."""
    return split.rstrip("0123456789")


def by_network(rows: Sequence[Row], metric: str) -> Groups:
    """Scores by (kind, treatment, n), then by (split, direction, repeat)."""
    groups: Groups = defaultdict(dict)
    for row in rows:
        network = (kind_of(row["split"]), row["treatment"], row["n"])
        groups[network][row["split"], row["direction"], row["repeat"]] = row[metric]
    return dict(groups)


class Compare:
    """Paired differences within a kind of split."""

    def __init__(self, groups: Groups, kind: str):
        self.groups = groups
        self.kind = kind

    def less(
        self, one: tuple[str, Sequence[int]], other: tuple[str, Sequence[int]]
    ) -> dict[tuple, float] | None:
        """One treatment less another at some depths, each the mean over them; by place."""
        one, other = (self._means(*side) for side in (one, other))
        return {key: one[key] - other[key] for key in one if key in other} or None

    def less_lowest(self, treatment: str, depths: Sequence[int]) -> dict[tuple, float] | None:
        """One treatment less the lowest of all others at the same depths; by place."""
        others = {t for kind, t, _ in self.groups if kind == self.kind} - {treatment}
        sides = [(other, [0] if other == "base" else depths) for other in sorted(others)]
        one, *means = (self._means(*side) for side in ((treatment, depths), *sides))
        whole = [key for key in one if means and all(key in of for of in means)]
        return {key: one[key] - min(of[key] for of in means) for key in whole} or None

    def _means(self, treatment: str, depths: Sequence[int]) -> dict[tuple, float]:
        """Means over depths, of the places that have all of them."""
        groups = [self.groups.get((self.kind, treatment, n), {}) for n in depths]
        places = set.intersection(*map(set, groups)) if groups else set()
        return {key: statistics.fmean(of[key] for of in groups) for key in sorted(places)}


def interval_fields(differences: dict[Place, float] | None) -> dict[str, float]:
    """Mean difference, lower and upper end of its interval; nothing of no differences."""
    if not differences:
        return {}
    mean, low, high = bootstrap(differences)
    return {"difference": mean, "lower": low, "upper": high}


def bootstrap(values: dict[tuple, float], seed: int = 0) -> tuple[float, float, float]:
    """Mean of values and the percentile interval of it when whole splits are drawn again.

    Args:
        values: by a tuple that begins with the name of the split.
        seed: of the draws.
    """
    by_split = defaultdict(list)
    for key, value in values.items():
        by_split[key[0]].append(value)
    clusters = [np.array(of) for of in by_split.values()]
    mean = float(np.mean(np.concatenate(clusters)))
    if len(clusters) == 1:  # nothing but repeats and directions to draw from
        clusters = [np.array([value]) for value in clusters[0]]
    drawn = np.random.default_rng(seed).integers(len(clusters), size=(RESAMPLES, len(clusters)))
    sums, sizes = (np.array([f(of) for of in clusters]) for f in (np.sum, np.size))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.percentile(means, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return mean, float(low), float(high)
