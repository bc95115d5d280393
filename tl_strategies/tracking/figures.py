"""Figures, drawn with matplotlib and no display: the same in every session, with all names."""

import contextlib
import functools
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.ticker import MaxNLocator, NullFormatter
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tl_strategies.files import atomic_write
from tl_strategies.output import OURS, shown

NAME, CAPTION, TITLE = 30, 24, 90  # characters at most
SIDE = 1.58  # inches, the longer one of an image on a contact sheet
MOST_NAMES = 60  # labels that can still be read side by side
FONT = "DejaVu Sans"  # comes with matplotlib
# What has other scripts, where a system has it.
FALLBACKS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans CJK TC"),
    *("Noto Sans SC", "Noto Sans JP", "Noto Sans KR", "Source Han Sans SC", "Source Han Sans"),
    *("WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "IPAGothic"),
    *("NanumGothic", "PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo", "Arial Unicode MS"),
    *("Microsoft YaHei", "SimHei", "MS Gothic", "Malgun Gothic"),
    *("Noto Sans", "Noto Sans Devanagari", "Noto Sans Thai", "Noto Sans Arabic", "Unifont"),
)


@contextlib.contextmanager
def plain_style() -> Iterator[None]:
    """Draw without the user's matplotlibrc, and without reading `$` as mathematics."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams |= {"font.family": list(fonts()), "text.parse_math": False}
        yield


@functools.cache
def fonts() -> tuple[str, ...]:
    """The fonts that characters are looked for in, in this order."""
    installed = {font.name for font in fontManager.ttflist}
    return (FONT, *(name for name in FALLBACKS if name in installed))


def drawable(text: str, most: int) -> str:
    """A text on one line of so many characters, with escapes for those that no font has."""
    glyphs = _glyphs()
    text = "".join(
        c if ord(c) in glyphs else c.encode("unicode_escape").decode() for c in shown(text)
    )
    return text if len(text) <= most else f"{text[: most - 1]}…"


@functools.cache
def _glyphs() -> frozenset[int]:
    found: set[int] = set()
    for name in fonts():
        found |= get_font(findfont(FontProperties(family=name))).get_charmap().keys()
    return frozenset(found)


@plain_style()
def confusion_figure(matrix: np.ndarray, names: Sequence[str], title: str) -> Figure:
    """A matrix of counts: rows are true labels, columns predicted ones, colour is recall."""
    count = len(names)
    side = min(max(4.5, 1.8 + 0.42 * count), 24)
    figure = Figure(figsize=(side + 0.8, side), dpi=110, layout="constrained")
    axes = figure.subplots()
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the true label", shrink=0.8)
    if count <= MOST_NAMES:
        names = [drawable(name, NAME) for name in names]
        axes.set_xticks(range(count), names, rotation=90)
        axes.set_yticks(range(count), names)
    axes.set(xlabel="predicted", ylabel="true", title=drawable(title, TITLE))
    if count <= 30:
        for row, column in zip(*np.nonzero(matrix), strict=True):
            colour = "white" if share[row, column] > 0.5 else "black"
            text = str(matrix[row, column])
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    return figure


@plain_style()
def reliability_figure(
    confidence: np.ndarray, accuracy: np.ndarray, counts: np.ndarray, title: str
) -> Figure:
    """A reliability curve, of bins: accuracy over confidence; below, their predictions."""
    figure, upper, lower = _above_bars((5.6, 6), title)
    upper.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=1, label="as it should be")
    upper.plot(confidence, accuracy, "o-", color="tab:blue", markersize=4, label="this model")
    upper.set(ylabel="share that is right", ylim=(-0.03, 1.03))
    upper.legend(loc="upper left")
    lower.bar(confidence, counts, width=0.04, color="tab:gray")
    lower.set(ylabel="predictions", xlabel="confidence", xlim=(-0.03, 1.03))
    return figure


@plain_style()
def sheet_figure(
    images: np.ndarray, captions: Sequence[str], title: str, columns: int = 6
) -> Figure:
    """A contact sheet of uint8 images of one size, a caption of one line or two above each."""
    rows = max(1, -(-len(images) // columns))
    figure = Figure(figsize=(1.7 * columns, 2.1 * rows + 0.4), dpi=110)
    axes = figure.add_axes((0, 0, 1, 1))  # one for all: each of its own would take a second to draw
    axes.set_axis_off()
    width, height = figure.get_size_inches()
    axes.text(width / 2, 0.22, drawable(title, TITLE), ha="center", va="center", fontsize=10)
    tall, wide = SIDE / 2 * np.array(images.shape[1:3]) / max(images.shape[1:3])
    for i, (image, caption) in enumerate(zip(images, captions, strict=True)):
        x, y = 1.7 * (i % columns) + 0.85, 2.1 * (i // columns) + 1.65
        axes.imshow(image, extent=(x - wide, x + wide, y + tall, y - tall), aspect="auto")
        lines = "\n".join(drawable(line, CAPTION) for line in caption.split("\n"))
        axes.text(x, y - 0.83, lines, ha="center", va="bottom", fontsize=8)
    axes.set(xlim=(0, width), ylim=(height, 0))
    return figure


def overlay(image: np.ndarray, values: np.ndarray) -> np.ndarray:
    """An image, in gray, under a map: the higher that is above 0, the brighter."""
    strength = np.maximum(values, 0) / max(values.max(), np.finfo("float32").tiny)
    colours = 255 * matplotlib.colormaps["inferno"](strength)[..., :3]
    gray = image.mean(axis=2, keepdims=True)
    return (0.6 * colours + 0.4 * gray).round().astype("uint8")


@plain_style()
def range_figure(rates: np.ndarray, losses: np.ndarray, chosen: float) -> Figure:
    """A learning-rate range test: the smoothed loss over the rate, and the rate chosen."""
    figure = Figure(figsize=(6, 4), dpi=110, layout="constrained")
    axes = figure.subplots()
    axes.plot(rates, losses)
    axes.axvline(chosen, color="black", linestyle="--", label=f"chosen: {chosen:.2g}")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")  # in place of powers of ten, which are mathematics
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="learning rate of the head", ylabel="training loss, smoothed")
    axes.legend()
    return figure


@plain_style()
def figure_pixels(figure: Figure) -> np.ndarray:
    """A figure as uint8 of shape (height, width, 4)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def save_figure(figure: Figure, path: pathlib.Path) -> np.ndarray:
    """Write a figure as PNG, whole or not at all; returns its pixels, as `figure_pixels` does.

    The file says in a text chunk `Software` that it is ours.
    """
    pixels = figure_pixels(figure)
    info = PngInfo()
    info.add_text(*OURS)
    with atomic_write(path) as aside:
        Image.fromarray(pixels).convert("RGB").save(aside, format="png", pnginfo=info)
    return pixels


@plain_style()
def depth_figure(
    scores: Sequence[Mapping[str, Any]], depth_count: int, chosen: int, title: str, metric: str
) -> Figure:
    """The metric over the transfer depth, with its spread, above the cost of each depth.

    Each depth, ascending, has scores: n; mean and standard deviation over seeds, by part; seconds.
    """
    figure, upper, lower = _above_bars((8, 5.6), title)
    depths = [score["n"] for score in scores]
    for part, colour in (("validation", "tab:blue"), ("test", "tab:orange")):
        means, spreads = np.array([score[part] for score in scores]).T * 100
        upper.plot(depths, means, "o-", color=colour, label=part, markersize=4)
        upper.fill_between(depths, means - spreads, means + spreads, color=colour, alpha=0.15)
    lower.bar(depths, [score["seconds"] for score in scores], color="tab:gray", width=0.8)
    for axes in (upper, lower):
        label = f"chosen: n = {chosen}"
        axes.axvline(chosen, color="black", linestyle="--", linewidth=1, label=label)
    upper.set_ylabel(f"{metric.replace('_', ' ')}, %")
    upper.legend(loc="best")
    lower.set_xlabel(f"transfer depth n: frozen units of {depth_count}")
    lower.set(ylabel="training, s", xlim=(-0.7, depth_count + 0.7))
    lower.xaxis.set_major_locator(MaxNLocator(20, integer=True))
    return figure


def _above_bars(size: tuple[float, float], title: str) -> tuple[Figure, Axes, Axes]:
    """A figure with room for a curve, and below it for bars."""
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    upper.set_title(drawable(title, TITLE))
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
    return figure, upper, lower
