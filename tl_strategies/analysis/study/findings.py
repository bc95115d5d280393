"""What a study shows: means, differences to the base, and the paper's findings in words."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Container, Sequence
from typing import Any

from tl_strategies.analysis.study.differences import (
    LEVEL,
    Compare,
    Groups,
    Row,
    by_network,
    interval_fields,
    kind_of,
)

MARGIN = 0.01  # below which a loss counts as none


def summarise(rows: Sequence[Row], metric: str) -> dict[str, Any]:
    """The content of summary.json.

    Args:
        rows: of curve.csv.
        metric: the column that is compared.
    """
    groups = by_network(rows, metric)
    table = [
        {
            "kind": kind,
            "treatment": treatment,
            "n": n,
            "mean": statistics.fmean(values.values()),
            "standard_error": _standard_error(list(values.values())),
            "cells": len(values),
            **interval_fields(_differences(groups, kind, (treatment, n), ("base", 0))),
        }
        for (kind, treatment, n), values in sorted(groups.items())
    ]
    kinds = sorted({kind for kind, _, _ in groups})
    return {
        "metric": metric,
        "means": table,
        "boosts": [row for kind in kinds for row in _boosts(groups, kind)],
        "findings": find(groups, kinds_at_chance(rows, metric)),
    }


def kinds_at_chance(rows: Sequence[Row], metric: str) -> set[str]:
    """The kinds of split whose base networks do no better than naming the most frequent class.

    Better is more than two standard errors of one network's score.
    """
    margins = defaultdict(list)
    for row in rows:
        if row["treatment"] == "base" and "chance" in row:
            chance, count = row["chance"], row["test_images"]
            error = (chance * (1 - chance) / count) ** 0.5
            margins[kind_of(row["split"])].append(row[metric] - chance - 2 * error)
    return {kind for kind, values in margins.items() if statistics.fmean(values) <= 0}


def find(groups: Groups, at_chance: Container[str] = ()) -> list[dict[str, Any]]:
    """The paper's findings: what was compared, by how much it differs, and whether it shows.

    A verdict is "unclear" where the interval allows for both, or where there was nothing to lose.

    Args:
        groups: scores by network.
        at_chance: the kinds of split whose base networks have learnt nothing.
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
        of = Compare(groups, kind)
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
            (
                "random features are the worst",
                f"RnB at {_depths(deep)} is below the lowest of all others",
                of.less_lowest("RnB", deep),
                _below,
            ),
        ):
            if difference is not None:
                found.append(_finding(name, text, kind, difference, judge, kind in at_chance))
    if {"natural_manmade", "random"} <= set(kinds):
        difference = _gap(groups, deep)
        if difference is not None:
            found.append(
                _finding(
                    "dissimilar tasks transfer worse",
                    f"AnB - base at {_depths(deep)} is lower for natural_manmade than for random "
                    "halves, over which the interval is",
                    "both",
                    difference,
                    _below,
                    "natural_manmade" in at_chance or "random" in at_chance,
                )
            )
    return found


def paragraph(findings: Sequence[dict[str, Any]]) -> str:
    """The findings in words, a line each."""
    lines = []
    for found in findings:
        where = "" if found["kind"] in ("random", "both") else f" ({found['kind']})"
        lines.append(
            f"{found['name'].capitalize()}{where}: {found['verdict']}. {found['compared']}: "
            f"{100 * found['difference']:+.1f} points, {_interval_text(found)}."
        )
    return "\n".join(lines)


def _interval_text(found: dict[str, Any]) -> str:
    if found["lower"] is None:
        return "of one split, so without an interval"
    return f"{LEVEL} % interval {100 * found['lower']:+.1f} to {100 * found['upper']:+.1f}"


def _differences(groups: Groups, kind: str, one: tuple[str, int], other: tuple[str, int]):
    of = Compare(groups, kind)
    return of.less((one[0], [one[1]]), (other[0], [other[1]]))


def _gap(groups: Groups, depths: Sequence[int]) -> dict[tuple, float] | None:
    """What AnB loses to base between natural and man-made, less its mean loss between halves."""
    one, other = (
        Compare(groups, kind).less(("AnB", depths), ("base", [0]))
        for kind in ("natural_manmade", "random")
    )
    if not one or not other:
        return None
    mean = statistics.fmean(one.values())
    return {key: mean - value for key, value in other.items()}


def _boosts(groups: Groups, kind: str) -> list[dict[str, Any]]:
    """What AnB+ gains over base and over BnB+, over the depths from several on (the paper's)."""
    depths = sorted({n for k, treatment, n in groups if k == kind and treatment == "AnB+"})
    of = Compare(groups, kind)
    rows = []
    for first in sorted({depths[0], *(n for n in depths if n in (3, 5))} if depths else ()):
        chosen = [n for n in depths if n >= first]
        for other, at in (("base", [0]), ("BnB+", chosen)):
            fields = interval_fields(of.less(("AnB+", chosen), (other, at)))
            if fields:
                rows.append({"kind": kind, "over": other, "n": f"{first}-{depths[-1]}", **fields})
    return rows


def _finding(
    name: str,
    compared: str,
    kind: str,
    differences: dict[tuple, float],
    judge: Callable[[float, float], str],
    at_chance: bool,
) -> dict[str, Any]:
    fields = interval_fields(differences)
    known = fields["lower"] is not None
    verdict = judge(fields["lower"], fields["upper"]) if known else "unclear"
    if at_chance:
        verdict = "unclear: base at chance"
    return {"name": name, "kind": kind, "compared": compared, **fields, "verdict": verdict}


def _below(low: float, high: float) -> str:
    return "shows" if high < 0 else "does not show" if low > 0 else "unclear"


def _above(low: float, high: float) -> str:
    return _below(-high, -low)


def _not_below(low: float, high: float) -> str:
    return "shows" if low > -MARGIN else "does not show" if high < 0 else "unclear"


def _standard_error(values: list[float]) -> float:
    return statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0


def _depths(depths: Sequence[int]) -> str:
    whole = len(depths) > 2 and list(depths) == list(range(depths[0], depths[-1] + 1))
    return f"n = {depths[0]}-{depths[-1]}" if whole else f"n = {', '.join(map(str, depths))}"
