"""Figures, drawn with matplotlib and no display."""

import pathlib
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

MOST_NAMES = 60  # labels that can still be read side by side


def confusion_figure(matrix: np.ndarray, names: Sequence[str], title: str) -> Figure:
    """A confusion matrix: rows are true labels, columns predicted ones, colour is recall.

    Args:
        matrix: counts, of shape (labels, labels).
        names: of the labels.
        title: above the figure.
    """
    count = len(names)
    side = min(max(4.5, 1.8 + 0.42 * count), 24)
    figure = Figure(figsize=(side + 0.8, side), dpi=110, layout="constrained")
    axes = figure.subplots()
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the true label", shrink=0.8)
    if count <= MOST_NAMES:
        axes.set_xticks(range(count), names, rotation=90, parse_math=False)
        axes.set_yticks(range(count), names, parse_math=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title)
    if count <= 30:
        for row, column in zip(*np.nonzero(matrix), strict=True):
            colour = "white" if share[row, column] > 0.5 else "black"
            text = str(matrix[row, column])
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    return figure


def range_figure(rates: np.ndarray, losses: np.ndarray, chosen: float) -> Figure:
    """A learning-rate range test: the smoothed loss over the rate, and the rate chosen."""
    figure = Figure(figsize=(6, 4), dpi=110, layout="constrained")
    axes = figure.subplots()
    axes.plot(rates, losses)
    axes.axvline(chosen, color="black", linestyle="--", label=f"chosen: {chosen:.2g}")
    axes.set_xscale("log")
    axes.set_xlabel("learning rate of the head")
    axes.set_ylabel("training loss, smoothed")
    axes.legend()
    return figure


def figure_pixels(figure: Figure) -> np.ndarray:
    """A figure as uint8 of shape (height, width, 4)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def save_figure(figure: Figure, path: pathlib.Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    from tl_strategies.data.cache import written_aside

    with written_aside(path) as aside:
        figure.savefig(aside, format="png")
