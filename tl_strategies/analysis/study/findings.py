"""What a study shows: means, differences to the base, and the paper's findings in words.

Differences are taken within a split, its direction and a repeat, since bases of different splits
differ by more than most treatments do. Intervals are Student's, of the means of splits: with as few
splits as studies have, percentiles of a bootstrap are too narrow (of 4, 95 % cover 87 at most).
"""

import statistics
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any

MARGIN = 0.01  # below which a loss counts as none
LEVEL = 95  # percent
UNLIKE, ALIKE = "natural_manmade", "random"  # kinds of halves that the paper compares

Row = dict[str, Any]
Scores = dict[tuple[str, str, int], float]  # by split, direction and repeat
Groups = dict[tuple[str, str, int], Scores]  # by kind of split, treatment and n


def kind_of(split: str) -> str:
    """What a split is one of: "random" of "random3"."""
    return split.rstrip("0123456789")


def summarise(rows: Sequence[Row], metric: str) -> dict[str, Any]:
    """The content of summary.json, from rows of curve.csv and the column that is compared."""
    groups: Groups = defaultdict(dict)
    for row in rows:
        place = row["split"], row["direction"], row["repeat"]
        groups[kind_of(row["split"]), row["treatment"], row["n"]][place] = row[metric]
    means = []
    for (kind, treatment, n), scores in sorted(groups.items()):
        values = list(scores.values())
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        fields = {
            "kind": kind,
            "treatment": treatment,
            "n": n,
            "mean": statistics.fmean(values),
            "standard_error": spread / len(values) ** 0.5,
            "cells": len(values),
        }
        means.append(fields | _interval_fields(_less(groups, kind, treatment, ["base"], [n])))
    return {
        "metric": metric,
        "means": means,
        "boosts": [row for kind in _kinds(groups) for row in _boosts(groups, kind)],
        "findings": find(groups, _kinds_at_chance(rows, metric)),
    }


def find(groups: Groups, at_chance: Collection[str] = ()) -> list[dict[str, Any]]:
    """The paper's findings: what was compared, by how much it differs, and whether it shows.

    A verdict is "unclear" where the interval allows for both, or where there was nothing to lose:
    for kinds of split whose base networks are at chance.
    """
    found = []
    for name, kind, compared, relation, differences in _comparisons(groups):
        if differences:
            fields = _interval_fields(differences)
            verdict = _verdict(relation, fields["lower"], fields["upper"])
            kinds = {UNLIKE, ALIKE} if kind == "both" else {kind}
            if not kinds.isdisjoint(at_chance):
                verdict = "unclear: base at chance"
            found.append(
                {"name": name, "kind": kind, "compared": compared, **fields, "verdict": verdict}
            )
    return found


def _comparisons(groups: Groups) -> Iterator[tuple[str, str, str, str, Scores]]:
    """What the paper compares: name, kind of split, words, the relation, and the differences."""
    depths = sorted({n for _, _, n in groups if n})
    if not depths:
        return
    first, last = depths[0], depths[-1]
    middle = [n for n in depths if last * 0.4 < n < last * 0.85] or [last]
    deep = [n for n in depths if n > last * 0.65]
    lowest = "the lowest of all others"
    for kind in _kinds(groups):
        rest = sorted({treatment for k, treatment, _ in groups if k == kind} - {"RnB"})
        for name, treatment, chosen, relation, what, others in (
            ("first layers are general", "AnB", [first], "not below", "base", ["base"]),
            ("fragile co-adaptation", "BnB", middle, "below", "base", ["base"]),
            ("specificity grows with depth", "AnB", [last], "below", f"BnB at n = {last}", ["BnB"]),
            ("fine-tuning recovers", "BnB+", depths, "not below", "base", ["base"]),
            ("transfer and fine-tuning boost", "AnB+", depths, "above", "base", ["base"]),
            ("even distant features beat random ones", "RnB", deep, "below", "AnB", ["AnB"]),
            ("random features are the worst", "RnB", deep, "below", lowest, rest),
        ):
            compared = f"{treatment} at {_depths(chosen)} is {relation} {what}"
            yield name, kind, compared, relation, _less(groups, kind, treatment, others, chosen)
    unlike, alike = (_less(groups, kind, "AnB", ["base"], deep) for kind in (UNLIKE, ALIKE))
    if unlike and alike:
        compared = (
            f"AnB - base at {_depths(deep)} is lower for natural_manmade than for random halves, "
            "over which the interval is"
        )
        mean = statistics.fmean(unlike.values())
        gap = {place: mean - value for place, value in alike.items()}
        yield "dissimilar tasks transfer worse", "both", compared, "below", gap


def paragraph(findings: Sequence[dict[str, Any]]) -> str:
    """The findings in words, a line each."""
    lines = []
    for found in findings:
        where = "" if found["kind"] in ("random", "both") else f" ({found['kind']})"
        interval_text = "of one split, so without an interval"
        if found["lower"] is not None:
            ends = f"{100 * found['lower']:+.1f} to {100 * found['upper']:+.1f}"
            interval_text = f"{LEVEL} % interval {ends}"
        lines.append(
            f"{found['name'].capitalize()}{where}: {found['verdict']}. {found['compared']}: "
            f"{100 * found['difference']:+.1f} points, {interval_text}."
        )
    return "\n".join(lines)


def interval(differences: Scores) -> tuple[float, float | None]:
    """Mean over splits, and half the width of its interval.

    Where there is one split, repeats take the place of splits: the interval is that of the split's
    own mean. Of one repeat too there is no interval.
    """
    from scipy.stats import t as student

    groups = defaultdict(list)
    several = len({split for split, _, _ in differences}) > 1
    for (split, _, repeat), value in differences.items():
        groups[split if several else repeat].append(value)
    means = [statistics.fmean(values) for values in groups.values()]
    if len(means) == 1:
        return means[0], None
    error = statistics.stdev(means) / len(means) ** 0.5
    share = student.ppf((1 + LEVEL / 100) / 2, len(means) - 1)
    return statistics.fmean(means), float(share * error)


def _interval_fields(differences: Scores) -> dict[str, float | None]:
    """Mean difference, lower and upper end of its interval, or None; nothing of no differences."""
    if not differences:
        return {}
    mean, half = interval(differences)
    lower, upper = (None, None) if half is None else (mean - half, mean + half)
    return {"difference": mean, "lower": lower, "upper": upper}


def _less(
    groups: Groups, kind: str, treatment: str, others: Sequence[str], depths: Sequence[int]
) -> Scores:
    """A treatment less the lowest of some others, each its mean over depths, where all have one."""
    own, *tables = (_means(groups, kind, name, depths) for name in (treatment, *others))
    return {
        place: score - min(table[place] for table in tables)
        for place, score in own.items()
        if tables and all(place in table for table in tables)
    }


def _means(groups: Groups, kind: str, treatment: str, depths: Sequence[int]) -> Scores:
    """Means over depths, of the places that have all of them; a base has one depth alone."""
    depths = [0] if treatment == "base" else depths
    tables = [groups.get((kind, treatment, n), {}) for n in depths]
    places = set.intersection(*map(set, tables))
    return {place: statistics.fmean(table[place] for table in tables) for place in sorted(places)}


def _boosts(groups: Groups, kind: str) -> list[dict[str, Any]]:
    """What AnB+ gains over base and over BnB+, over the depths from several on (the paper's)."""
    depths = sorted({n for k, treatment, n in groups if k == kind and treatment == "AnB+"})
    rows = []
    for first in sorted({*depths[:1], *({3, 5} & {*depths})}):
        chosen = [n for n in depths if n >= first]
        for other in ("base", "BnB+"):
            fields = _interval_fields(_less(groups, kind, "AnB+", [other], chosen))
            if fields:
                rows.append({"kind": kind, "over": other, "n": f"{first}-{depths[-1]}", **fields})
    return rows


def _kinds(groups: Groups) -> list[str]:
    return sorted({kind for kind, _, _ in groups})


def _kinds_at_chance(rows: Sequence[Row], metric: str) -> set[str]:
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


def _verdict(relation: str, low: float | None, high: float | None) -> str:
    """Whether an interval shows a relation of a difference to 0, or the opposite."""
    if low is None:
        return "unclear"
    shows, opposite = {
        "below": (high < 0, low > 0),
        "above": (low > 0, high < 0),
        "not below": (low > -MARGIN, high < 0),
    }[relation]
    return "shows" if shows else "does not show" if opposite else "unclear"


def _depths(depths: Sequence[int]) -> str:
    whole = len(depths) > 2 and list(depths) == list(range(depths[0], depths[-1] + 1))
    return f"n = {depths[0]}-{depths[-1]}" if whole else f"n = {', '.join(map(str, depths))}"
