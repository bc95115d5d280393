"""Any name can be drawn, and pictures do not depend on the user's matplotlib."""

import matplotlib
import numpy as np
import pytest
from PIL import Image

from tl_strategies.tracking import drawing
from tl_strategies.tracking.drawing import drawable, fonts, plain_style
from tl_strategies.tracking.figures import (
    confusion_figure,
    figure_pixels,
    range_figure,
    save_figure,
    sheet_figure,
)

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
    monkeypatch.setattr(drawing, "FALLBACKS", ("No Such Font", "STIXNonUnicode"))
    for function in (fonts, drawing._glyphs):
        function.cache_clear()
    try:
        assert fonts() == (drawing.FONT, "STIXNonUnicode")
        assert drawable(letter, 9) == letter
        figure = confusion_figure(np.eye(2, dtype=int), [letter, "b"], "")
        figure_pixels(figure)
    finally:
        for function in (fonts, drawing._glyphs):
            function.cache_clear()


def test_the_user_s_style_changes_no_picture():
    def pixels():
        figures = (
            confusion_figure(np.eye(3, dtype=int), "abc", "$title$"),
            range_figure(np.logspace(-5, 0, 9), np.arange(9), 1e-3),
        )
        return [figure_pixels(figure) for figure in figures]

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
