"""Figures have the right numbers in the right places; any name can be drawn.

Pictures do not depend on the user's matplotlib.
"""

import itertools

import matplotlib
import numpy as np
import pytest
from PIL import Image

from tl_strategies.tracking import figures
from tl_strategies.tracking.figures import (
    confusion_figure,
    drawable,
    figure_pixels,
    fonts,
    plain_style,
    range_figure,
    save_figure,
    sheet_figure,
)


def test_a_confusion_matrix_reads_row_by_row(tmp_path):
    matrix = np.array([[5, 1, 0], [0, 7, 2], [0, 0, 3]])
    figure = confusion_figure(matrix, ("cat", "dog", "owl"), "three")
    axes = figure.axes[0]
    texts = {
        (text.get_position()[1], text.get_position()[0]): text.get_text() for text in axes.texts
    }
    assert texts == {(r, c): str(matrix[r, c]) for r, c in zip(*np.nonzero(matrix), strict=True)}
    assert axes.get_ylabel() == "true"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog", "owl"]
    save_figure(figure, tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as image:
        assert figure_pixels(figure).shape == (image.height, image.width, 4)


@pytest.mark.parametrize("count", [2, 60])
def test_few_and_many_labels_fit(count):
    names = [f"a rather $long_$name {i}" for i in range(count)]
    figure = confusion_figure(np.eye(count, dtype=int), names, "many")
    figure_pixels(figure)
    renderer = figure.canvas.get_renderer()
    boxes = [label.get_window_extent(renderer) for label in figure.axes[0].get_yticklabels()]
    assert min(box.x0 for box in boxes) >= 0
    tops = sorted(boxes, key=lambda box: box.y0)
    assert all(one.y1 <= other.y1 + 1 for one, other in itertools.pairwise(tops))
    assert all(one.y1 <= other.y0 + 4 for one, other in itertools.pairwise(tops))


@pytest.mark.parametrize("shape", [(20, 20), (20, 40), (40, 20)])
def test_images_on_a_sheet_keep_their_shape(shape):
    """A black image is drawn as wide and as high as it is, on white."""
    black = np.zeros((1, *shape, 3), "uint8")
    pixels = figure_pixels(sheet_figure(black, [""], "", columns=2))[60:, :, :3]
    rows, columns = (np.flatnonzero((pixels == 0).all(axis=2).any(axis=axis)) for axis in (1, 0))
    drawn = (rows[-1] - rows[0] + 1) / (columns[-1] - columns[0] + 1)
    assert drawn == pytest.approx(shape[0] / shape[1], rel=0.05)


NAMES = [
    *("$\\frac{", "$a$ and $b$", "two\nlines", "\x1b[31mred", "caf\udce9", "\u202eabc", "x" * 400),
    *("日本語", "\U0010ffff", "\\", "{", ""),
]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_drawn_without_a_warning(name):
    """Warnings, as of glyphs that are missing, are errors here."""
    images = np.zeros((2, 8, 8, 3), "uint8")
    for figure in (
        confusion_figure(np.eye(2, dtype=int), [name, "b"], name),
        sheet_figure(images, [name, f"{name}\n{name}"], name),
    ):
        assert figure_pixels(figure).std() > 0


def test_names_are_shortened():
    assert drawable("x" * 20, 20) == "x" * 20
    assert drawable("x" * 21, 20) == "x" * 19 + "…"


def test_what_no_font_has_is_escaped():
    assert drawable("a\U0010ffff\n", 90) == "a\\U0010ffff\\n"


def test_other_fonts_are_asked_where_a_system_has_them(monkeypatch):
    letter = "\ue0f6"  # of private use: STIX has it, which comes with matplotlib
    assert drawable(letter, 9) == "\\ue0f6"
    monkeypatch.setattr(figures, "FALLBACKS", ("No Such Font", "STIXNonUnicode"))
    for function in (fonts, figures._glyphs):
        function.cache_clear()
    try:
        assert fonts() == (figures.FONT, "STIXNonUnicode")
        assert drawable(letter, 9) == letter
        figure = confusion_figure(np.eye(2, dtype=int), [letter, "b"], "")
        figure_pixels(figure)
    finally:
        for function in (fonts, figures._glyphs):
            function.cache_clear()


def test_the_user_s_style_changes_no_picture():
    def pixels():
        drawn = (
            confusion_figure(np.eye(3, dtype=int), "abc", "$title$"),
            range_figure(np.logspace(-5, 0, 9), np.arange(9), 1e-3),
        )
        return [figure_pixels(figure) for figure in drawn]

    before = pixels()
    odd = {
        "text.usetex": True,
        "font.size": 30,
        "font.family": "fantasy",
        "axes.facecolor": "red",
        "axes.formatter.use_mathtext": True,
        "savefig.dpi": 7,
    }
    with matplotlib.rc_context(odd):
        after = pixels()
        assert matplotlib.rcParams["text.usetex"]
    assert all(np.array_equal(*pair) for pair in zip(before, after, strict=True))


def test_the_backend_of_a_session_stays():
    before = matplotlib.rcParams["backend"]
    with plain_style():
        pass
    assert matplotlib.rcParams["backend"] == before


def test_pictures_say_whose_they_are(tmp_path):
    save_figure(confusion_figure(np.eye(2, dtype=int), "ab", ""), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.text == {"Software": "tl-strategies"}
