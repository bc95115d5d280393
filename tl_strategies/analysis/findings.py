"""What a study shows: means, differences to the base, the paper's findings with their intervals.

Differences are taken within a split, its direction and a repeat, since bases of different splits
differ by more than most treatments do. Intervals are percentiles of bootstrap means over splits.
"""

import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

RESAMPLES = 10_000
LEVEL = 95  # percent
MARGIN = 0.01  # below which a loss counts as none

Row = dict[str, Any]
Interval = tuple[float, float, float]  # mean, lower, upper end


def summarise(rows: Sequence[Row], metric: str) -> dict[str, Any]:
    """The content of summary.json.

    Args:
        rows: of curve.csv.
        metric: the column that is compared.
    """
    groups = _by_network(rows, metric)
    table = [
        {
            "kind": kind,
            "treatment": treatment,
            "n": n,
            "mean": statistics.fmean(values.values()),
            "standard_error": _standard_error(list(values.values())),
            "cells": len(values),
            **_interval_fields(_differences(groups, kind, (treatment, n), ("base", 0))),
        }
        for (kind, treatment, n), values in sorted(groups.items())
    ]
    kinds = sorted({kind for kind, _, _ in groups})
    return {
        "metric": metric,
        "means": table,
        "boosts": [row for kind in kinds for row in _boosts(groups, kind)],
        "findings": find(groups),
    }


def find(groups: dict) -> list[dict[str, Any]]:
    """The paper's findings: what was compared, by how much it differs, and whether it shows.

    A verdict is "unclear" where the interval allows for both.
    """
    kinds = sorted({kind for kind, _, _ in groups})
    depths = sorted({n for _, _, n in groups if n})
    if not depths:
        return []
    first, last = depths[0], depths[-1]
    middle = [n for n in depths if last * 0.4 < n < last * 0.85] or [last]
    deep = [n for n in depths if n > last * 0.65]
    found = []
    for kind in kinds:
        of = _Compare(groups, kind)
        for name, text, difference, judge in (
            (
                "first layers are general",
                f"AnB at n = {first} is not below base",
                of.less(("AnB", [first]), ("base", [0])),
                _not_below,
            ),
            (
                "fragile co-adaptation",
                f"BnB at {_depths(middle)} is below base",
                of.less(("BnB", middle), ("base", [0])),
                _below,
            ),
            (
                "specificity grows with depth",
                f"AnB at n = {last} is below BnB at n = {last}",
                of.less(("AnB", [last]), ("BnB", [last])),
                _below,
            ),
            (
                "fine-tuning recovers",
                f"BnB+ at {_depths(depths)} is not below base",
                of.less(("BnB+", depths), ("base", [0])),
                _not_below,
            ),
            (
                "transfer and fine-tuning boost",
                f"AnB+ at {_depths(depths)} is above base",
                of.less(("AnB+", depths), ("base", [0])),
                _above,
            ),
            (
                "even distant features beat random ones",
                f"RnB at {_depths(deep)} is below AnB",
                of.less(("RnB", deep), ("AnB", deep)),
                _below,
            ),
        ):
            if difference is not None:
                found.append(_finding(name, text, kind, difference, judge))
    if {"natural_manmade", "random"} <= set(kinds):
        difference = _gap(groups, deep)
        if difference is not None:
            found.append(
                _finding(
                    "dissimilar tasks transfer worse",
                    f"AnB - base at {_depths(deep)} is lower for natural_manmade than for random "
                    "halves",
                    "both",
                    difference,
                    _below,
                )
            )
    return found


def paragraph(findings: Sequence[dict[str, Any]]) -> str:
    """The findings in words, a line each."""
    lines = []
    for found in findings:
        mean, low, high = (100 * found[name] for name in ("difference", "lower", "upper"))
        where = "" if found["kind"] in ("random", "both") else f" ({found['kind']})"
        lines.append(
            f"{found['name'].capitalize()}{where}: {found['verdict']}. {found['compared']}: "
            f"{mean:+.1f} points, {LEVEL} % interval {low:+.1f} to {high:+.1f}."
        )
    return "\n".join(lines)


def bootstrap(values: dict[tuple, float], seed: int = 0) -> Interval:
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


def kind_of(split: str) -> str:
    """What a split is one of: "random" of "random3"."""
    return split.rstrip("0123456789")


def _by_network(rows: Sequence[Row], metric: str) -> dict[tuple, dict[tuple, float]]:
    """Scores by (kind, treatment, n), then by (split, direction, repeat)."""
    groups: dict[tuple, dict[tuple, float]] = defaultdict(dict)
    for row in rows:
        network = (kind_of(row["split"]), row["treatment"], row["n"])
        groups[network][row["split"], row["direction"], row["repeat"]] = row[metric]
    return dict(groups)


class _Compare:
    """Paired differences within a kind of split."""

    def __init__(self, groups: dict, kind: str):
        self.groups = groups
        self.kind = kind

    def less(
        self, one: tuple[str, Sequence[int]], other: tuple[str, Sequence[int]]
    ) -> dict[tuple, float] | None:
        """One treatment less another at some depths, each the mean over them; by place."""
        one, other = (self._means(*side) for side in (one, other))
        return {key: one[key] - other[key] for key in one if key in other} or None

    def _means(self, treatment: str, depths: Sequence[int]) -> dict[tuple, float]:
        """Means over depths, of the places that have all of them."""
        groups = [self.groups.get((self.kind, treatment, n), {}) for n in depths]
        places = set.intersection(*map(set, groups)) if groups else set()
        return {key: statistics.fmean(of[key] for of in groups) for key in sorted(places)}


def _differences(groups: dict, kind: str, one: tuple[str, int], other: tuple[str, int]):
    of = _Compare(groups, kind)
    return of.less((one[0], [one[1]]), (other[0], [other[1]]))


def _gap(groups: dict, depths: Sequence[int]) -> dict[tuple, float] | None:
    """What AnB loses to base between natural and man-made, less its mean loss between halves."""
    one, other = (
        _Compare(groups, kind).less(("AnB", depths), ("base", [0]))
        for kind in ("natural_manmade", "random")
    )
    if not one or not other:
        return None
    mean = statistics.fmean(one.values())
    return {key: mean - value for key, value in other.items()}


def _boosts(groups: dict, kind: str) -> list[dict[str, Any]]:
    """What AnB+ gains over base and over BnB+, over the depths from several on (the paper's)."""
    depths = sorted({n for k, treatment, n in groups if k == kind and treatment == "AnB+"})
    of = _Compare(groups, kind)
    rows = []
    for first in sorted({depths[0], *(n for n in depths if n in (3, 5))} if depths else ()):
        chosen = [n for n in depths if n >= first]
        for other, at in (("base", [0]), ("BnB+", chosen)):
            fields = _interval_fields(of.less(("AnB+", chosen), (other, at)))
            if fields:
                rows.append({"kind": kind, "over": other, "n": f"{first}-{depths[-1]}", **fields})
    return rows


def _finding(
    name: str,
    compared: str,
    kind: str,
    differences: dict[tuple, float],
    judge: Callable[[float, float], str],
) -> dict[str, Any]:
    fields = _interval_fields(differences)
    verdict = judge(fields["lower"], fields["upper"])
    return {"name": name, "kind": kind, "compared": compared, **fields, "verdict": verdict}


def _below(low: float, high: float) -> str:
    return "shows" if high < 0 else "does not show" if low > 0 else "unclear"


def _above(low: float, high: float) -> str:
    return _below(-high, -low)


def _not_below(low: float, high: float) -> str:
    return "shows" if low > -MARGIN else "does not show" if high < 0 else "unclear"


def _interval_fields(differences: dict[tuple, float] | None) -> dict[str, float]:
    if not differences:
        return {}
    mean, low, high = bootstrap(differences)
    return {"difference": mean, "lower": low, "upper": high}


def _standard_error(values: list[float]) -> float:
    return statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0


def _depths(depths: Sequence[int]) -> str:
    whole = len(depths) > 2 and list(depths) == list(range(depths[0], depths[-1] + 1))
    return f"n = {depths[0]}-{depths[-1]}" if whole else f"n = {', '.join(map(str, depths))}"
