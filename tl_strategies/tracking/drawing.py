"""Matplotlib as our figures use it: the same in every session, with names as they can be drawn."""

import contextlib
import functools
from collections.abc import Iterator

import matplotlib
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

from tl_strategies.output import shown

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
