"""Differences between the networks of a study, and how sure they are.

Differences are taken within a split, its direction and a repeat, since bases of different splits
differ by more than most treatments do. Intervals are Student's, of the means of splits: with as few
splits as studies have, percentiles of a bootstrap are too narrow (of 4, 95 % cover 87 at most).
"""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

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


def interval_fields(differences: dict[Place, float] | None) -> dict[str, float | None]:
    """Mean difference, lower and upper end of its interval, or None; nothing of no differences."""
    if not differences:
        return {}
    mean, half = interval(differences)
    ends = (None, None) if half is None else (mean - half, mean + half)
    return {"difference": mean, "lower": ends[0], "upper": ends[1]}


def interval(values: dict[Place, float]) -> tuple[float, float | None]:
    """Mean over splits, and half the width of its interval.

    Where there is one split, repeats take the place of splits: the interval is that of the split's
    own mean. Of one repeat too there is no interval.
    """
    from scipy.stats import t as student

    by_place = defaultdict(list)
    whole = len({split for split, _, _ in values}) > 1
    for (split, _, repeat), value in values.items():
        by_place[split if whole else repeat].append(value)
    means = [statistics.fmean(of) for of in by_place.values()]
    if len(means) == 1:
        return means[0], None
    error = statistics.stdev(means) / len(means) ** 0.5
    share = student.ppf((1 + LEVEL / 100) / 2, len(means) - 1)
    return statistics.fmean(means), float(share * error)
