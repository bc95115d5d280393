"""Transferability curves, in the form of Figure 2 of Yosinski et al. (2014)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tl_strategies.tracking.drawing import drawable, plain_style

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


@plain_style()
def curve_figure(
    rows: Sequence[Mapping[str, Any]], metric: str, depth_count: int, published: Published
) -> Figure:
    """Scores over n: a point for each network, lines through the means.

    Args:
        rows: of curve.csv, with a column `kind`.
        metric: the column that is drawn.
        depth_count: of the backbone.
        published: what else to draw, as broken lines.
    """
    figure, panels = _panels([row["kind"] for row in rows])
    for kind, axes in panels.items():
        here = [row for row in rows if row["kind"] == kind]
        bases = [100 * row[metric] for row in here if row["treatment"] == "base"]
        for name, x in _places([row["treatment"] for row in here]).items():
            colour, marker, label = STYLES[name]
            ns = np.array([row["n"] for row in here if row["treatment"] == name])
            scores = np.array([100 * row[metric] for row in here if row["treatment"] == name])
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
        _draw_published(axes, published.get(kind, {}), scale=100)
        _finish(axes, depth_count, TITLES.get(kind, kind), lowest=-0.5)
    next(iter(panels.values())).set_ylabel(f"{_readable(metric)}, %")
    _legend(figure, panels, published)
    return figure


@plain_style()
def difference_figure(
    means: Sequence[Mapping[str, Any]], metric: str, depth_count: int, published: Published
) -> Figure:
    """Mean differences to the base of the same split, with their intervals, over n.

    Args:
        means: of summary.json.
        metric: what was compared.
        depth_count: of the backbone.
        published: what else to draw, as broken lines.
    """
    compared = [row for row in means if row["treatment"] != "base" and "difference" in row]
    figure, panels = _panels([row["kind"] for row in compared])
    for kind, axes in panels.items():
        here = [row for row in compared if row["kind"] == kind]
        axes.axhline(0, color="black", linewidth=0.8, linestyle=":")
        for name, x in _places([row["treatment"] for row in here]).items():
            colour, marker, label = STYLES[name]
            mine = [row for row in here if row["treatment"] == name]
            ns = np.array([row["n"] for row in mine])
            middle = np.array([100 * row["difference"] for row in mine])
            low, high = (
                [100 * (row["difference"] if row[end] is None else row[end]) for row in mine]
                for end in ("lower", "upper")
            )
            axes.errorbar(
                ns + x,
                middle,
                [np.maximum(middle - low, 0), np.maximum(high - middle, 0)],
                color=colour,
                marker=marker,
                ms=4.5,
                capsize=2,
                linewidth=1.4,
                elinewidth=0.9,
                label=label,
            )
        _draw_published(axes, published.get(kind, {}), scale=100)
        _finish(axes, depth_count, TITLES.get(kind, kind), lowest=0.5)
    ylabel = f"{_readable(metric)} less that of base, points"
    next(iter(panels.values())).set_ylabel(ylabel)
    _legend(figure, panels, published)
    return figure


def _panels(kinds: Sequence[str]) -> tuple[Figure, dict[str, Axes]]:
    names = list(dict.fromkeys(kinds)) or [""]
    figure = Figure(figsize=(1.5 + 6.3 * len(names), 6.2), dpi=110, layout="constrained")
    axes = figure.subplots(1, len(names), squeeze=False, sharey=True)[0]
    return figure, dict(zip(names, axes, strict=True))


def _places(treatments: Sequence[str]) -> dict[str, float]:
    """Where each treatment's points lie beside n."""
    names = [name for name in STYLES if name in treatments]
    middle = (len(names) - 1) / 2
    return {name: 0.0 if name == "base" else JITTER * (i - middle) for i, name in enumerate(names)}


def _draw_published(axes: Axes, tables: Mapping[str, Sequence[float]], scale: float) -> None:
    for name, values in tables.items():
        depths = range(len(values)) if name == "base" else range(1, 1 + len(values))
        axes.plot(
            depths,
            [scale * value for value in values],
            color=STYLES[name][0],
            linestyle="--",
            linewidth=0.9,
            marker="x" if name == "base" else None,
        )


def _finish(axes: Axes, depth_count: int, title: str, lowest: float) -> None:
    axes.set_title(drawable(title, 60))
    axes.set_xlabel(f"n: transferred layers or blocks of {depth_count}")
    axes.set_xlim(lowest, depth_count + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(20, integer=True))
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)


def _legend(figure: Figure, panels: Mapping[str, Axes], published: Published) -> None:
    first = next(iter(panels.values()))
    if any(published.values()):
        label = "ImageNet, Yosinski et al. 2014"
        first.plot([], [], color="gray", linestyle="--", linewidth=0.9, label=label)
    handles: dict[str, Any] = {}
    for axes in panels.values():
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=2, frameon=False
    )


def _readable(metric: str) -> str:
    return metric.replace("_", " ")
