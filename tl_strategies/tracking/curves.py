"""Transferability curves, in the form of Figure 2 of Yosinski et al. (2014)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tl_strategies.tracking.figures import drawable, plain_style

STYLES = {  # colour, marker, what it is
    "base": ("black", "o", "base: trained from scratch"),
    "BnB": ("#1b3f8b", "s", "BnB: own layers, frozen"),
    "BnB+": ("#7fb2e5", "s", "BnB+: own layers, fine-tuned"),
    "AnB": ("#a01c1c", "D", "AnB: other task's layers, frozen"),
    "AnB+": ("#f08f7f", "D", "AnB+: other task's layers, fine-tuned"),
    "RnB": ("#555555", "^", "RnB: random layers, frozen"),
    "RnB+": ("#b5b5b5", "^", "RnB+: random layers, trained"),
}
TITLES = {
    "random": "random halves of the classes",
    "natural_manmade": "natural and man-made classes",
    "given": "from given weights",
}
JITTER = 0.05  # between treatments, so that their points lie side by side

Published = Mapping[str, Mapping[str, Sequence[float]]]  # by kind and treatment, at n = 1, 2, …
Rows = Sequence[Mapping[str, Any]]


def curve_figure(rows: Rows, metric: str, depth_count: int, published: Published) -> Figure:
    """Scores over n: a point for each network, lines through the means; what is published, broken.

    Args:
        rows: of curve.csv, with a column `kind`.
        metric: the column that is drawn.
    """

    def draw(axes: Axes, here: Rows) -> None:
        bases = [100 * row[metric] for row in here if row["treatment"] == "base"]
        for name, x, own in _treatments(here):
            colour, marker, label = STYLES[name]
            ns = np.array([row["n"] for row in own])
            scores = np.array([100 * row[metric] for row in own])
            face = "white" if name == "base" else colour
            axes.plot(ns + x, scores, marker, color=colour, markerfacecolor=face, ms=4, alpha=0.45)
            depths = sorted(set(ns))
            means = [scores[ns == n].mean() for n in depths]
            if name == "base":
                axes.axhline(means[0], color=colour, linewidth=0.8, linestyle=":", zorder=1)
                axes.plot([], [], marker, color=colour, markerfacecolor=face, label=label)
            else:  # from the base on, as in the paper
                ends = [0, *depths], [np.mean(bases), *means]
                axes.plot(*ends, color=colour, linewidth=1.6, label=label)
                axes.plot(depths, means, marker, color=colour, ms=5)
        axes.set_xlim(-0.5, depth_count + 0.5)

    return _figure(rows, draw, f"{metric.replace('_', ' ')}, %", depth_count, published)


def difference_figure(means: Rows, metric: str, depth_count: int, published: Published) -> Figure:
    """Mean differences of a metric to the base of the same split, with their intervals, over n.

    They are the means of summary.json.
    """

    def draw(axes: Axes, here: Rows) -> None:
        axes.axhline(0, color="black", linewidth=0.8, linestyle=":")
        for name, x, own in _treatments(here):
            colour, marker, label = STYLES[name]
            middle = np.array([100 * row["difference"] for row in own])
            low, high = (
                [100 * (row["difference"] if row[end] is None else row[end]) for row in own]
                for end in ("lower", "upper")
            )
            axes.errorbar(
                np.array([row["n"] for row in own]) + x,
                middle,
                [np.maximum(middle - low, 0), np.maximum(high - middle, 0)],
                **{"color": colour, "marker": marker, "label": label, "ms": 4.5},
                **{"capsize": 2, "linewidth": 1.4, "elinewidth": 0.9},
            )
        axes.set_xlim(0.5, depth_count + 0.5)

    rows = [row for row in means if row["treatment"] != "base" and "difference" in row]
    ylabel = f"{metric.replace('_', ' ')} less that of base, points"
    return _figure(rows, draw, ylabel, depth_count, published)


@plain_style()
def _figure(
    rows: Rows,
    draw: Callable[[Axes, Rows], None],
    ylabel: str,
    depth_count: int,
    published: Published,
) -> Figure:
    """A panel for each kind of split, below them one legend."""
    kinds = list(dict.fromkeys(row["kind"] for row in rows)) or [""]
    figure = Figure(figsize=(1.5 + 6.3 * len(kinds), 6.2), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(kinds), squeeze=False, sharey=True)[0]
    panels[0].set_ylabel(ylabel)
    for kind, axes in zip(kinds, panels, strict=True):
        draw(axes, [row for row in rows if row["kind"] == kind])
        for name, values in published.get(kind, {}).items():
            depths = range(len(values)) if name == "base" else range(1, 1 + len(values))
            style = {"color": STYLES[name][0], "marker": "x" if name == "base" else None}
            axes.plot(depths, 100 * np.array(values), linestyle="--", linewidth=0.9, **style)
        axes.set_title(drawable(TITLES.get(kind, kind), 60))
        axes.set_xlabel(f"n: transferred layers or blocks of {depth_count}")
        axes.xaxis.set_major_locator(MaxNLocator(20, integer=True))
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
    if any(published.values()):
        label = "ImageNet, Yosinski et al. 2014"
        panels[0].plot([], [], color="gray", linestyle="--", linewidth=0.9, label=label)
    handles: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=2, frameon=False
    )
    return figure


def _treatments(rows: Rows) -> list[tuple[str, float, Rows]]:
    """Each treatment, where its points lie beside n, and its rows."""
    own = {name: [row for row in rows if row["treatment"] == name] for name in STYLES}
    names = [name for name in STYLES if own[name]]
    middle = (len(names) - 1) / 2
    return [
        (name, 0.0 if name == "base" else JITTER * (i - middle), own[name])
        for i, name in enumerate(names)
    ]
