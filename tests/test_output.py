"""Text for people: it never stops what writes it, and names in it can do no harm."""

import io
import sys

import pytest

from tl_strategies.output import Shield, cell, shielded, shown

TEXT = "3 × 4 ± 1 – é → 日\n"


def written(stream, *texts):
    """What comes out of a shield around a text stream on bytes."""
    shield = Shield(stream)
    for text in texts:
        print(text, end="", file=shield, flush=True)
    return stream.buffer.getvalue().decode(stream.encoding)


def stream(encoding="utf-8"):
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8", TEXT),
        ("latin-1", "3 × 4 ± 1 - é -> \\u65e5\n"),
        ("ascii", "3 x 4 +/- 1 - \\xe9 -> \\u65e5\n"),
    ],
)
def test_what_an_encoding_lacks_is_written_otherwise(encoding, expected):
    assert written(stream(encoding), TEXT) == expected


class OnlyWrites:
    """A logger's stream, as people write them."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text.encode("ascii").decode()


class Gone(OnlyWrites):
    """A pipe whose reader has ended, or a closed terminal."""

    writes = 0

    def write(self, text):
        self.writes += 1
        raise BrokenPipeError

    flush = isatty = property(lambda self: lambda: self.write(""))


def test_a_stream_that_only_writes():
    target = OnlyWrites()
    shield = Shield(target)
    print(TEXT, file=shield, end="", flush=True)
    assert target.text == "3 x 4 +/- 1 - \\xe9 -> \\u65e5\n"
    assert not shield.isatty()


def test_a_stream_that_is_gone_is_left_alone():
    target = Gone()
    shield = Shield(target)
    for _ in range(3):
        print(TEXT, file=shield, flush=True)
    assert shield.lost
    assert target.writes == 1


@pytest.mark.parametrize("closed", [None, stream()])
def test_no_stream(closed):
    if closed:
        closed.close()
    shield = Shield(closed)
    print(TEXT, file=shield, flush=True)
    assert shield.lost
    assert not shield.isatty()


def test_shielded_gives_the_streams_back(monkeypatch):
    """Also where one call is inside another."""
    mine = OnlyWrites()
    monkeypatch.setattr(sys, "stdout", mine)
    monkeypatch.setattr(sys, "stderr", None)
    with shielded():
        with shielded():
            print("inside")
            print("lost", file=sys.stderr)
        print("–")
    assert mine.text == "inside\n-\n"
    assert (sys.stdout, sys.stderr) == (mine, None)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Zoë 日本 🐱 $x$", "Zoë 日本 🐱 $x$"),
        ("a\x1b[31mb\x07", "a\\x1b[31mb\\x07"),
        ("two\nlines\ttab\r", "two\\nlines\\ttab\\r"),
        ("caf\udce9.jpg", "caf\\xe9.jpg"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("c1\x9b2J", "c1\\x9b2J"),
    ],
)
def test_names_are_shown_on_one_line(name, expected):
    assert shown(name) == expected


def test_only_bars_in_a_terminal_may_control_it():
    class Terminal(OnlyWrites):
        def isatty(self):
            return True

    bar = "\r\x1b[K3/4 \x1b[32m--\x1b[0m\b\b\n"
    for target, expected in ((Terminal(), bar), (OnlyWrites(), shown(bar[:-1]) + "\n")):
        Shield(target).write(bar)
        assert target.text == expected
        Shield(target).write("title\x1b]0;evil\x07")
        assert "\x1b]" not in target.text


@pytest.mark.parametrize("text", ["=1+1", "+A1", "-cmd", "@SUM(A1)", "\t=1", "\r=1", "- 3", "-1;2"])
def test_formulas_are_text(text):
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["cat", "", "-1", "+2.5", "-1e-3", "a=b", "'=1"])
def test_other_cells_stay(text):
    assert cell(text) == text
