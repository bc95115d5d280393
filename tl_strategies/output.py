"""Text for people: streams that cannot fail, names that can do no harm to a terminal or a table."""

import codecs
import contextlib
import os
import re
import sys
from collections.abc import Iterator
from typing import Any, TextIO

# Control characters, what turns the direction of writing, and bytes of names that are no UTF-8.
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
PLAIN = {"×": "x", "–": "-", "—": "-", "…": "...", "±": "+/-", "→": "->", "━": "-", "≥": ">="}
# What progress bars do in a terminal: colours, going back, erasing the line.
BAR = re.compile("(\x1b\\[[0-9;]*m|\x1b\\[K|[\r\b])")
ENCODING_ERRORS = "tl_strategies"  # name of our handler of characters that an encoding lacks
OURS = ("Software", "tl-strategies")  # the text in figures that we draw
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet would compute


def shown(text: object) -> str:
    """A name or path on one line: what is unsafe in it as escapes."""
    return UNSAFE.sub(lambda found: _escaped(found.group()), str(text))


def cell(text: str) -> str:
    """A text as the cell of a table that spreadsheets show and do not compute."""
    if not text.startswith(FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps a byte that it cannot decode
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def _plainer(error: UnicodeError) -> tuple[str, int]:
    """Handler of a codec: what an encoding does not have, by what all have."""
    lacking = error.object[error.start : error.end]
    return "".join(PLAIN.get(c) or _escaped(c) for c in lacking), error.end


codecs.register_error(ENCODING_ERRORS, _plainer)


class Shield:
    """A text stream around another one, which may be None, may lack methods, or be gone.

    Text is decoration: where it cannot be written it is lost, and nothing else happens.
    """

    def __init__(self, stream: TextIO | None):
        self.stream = stream
        self.lost = stream is None
        self.encoding = getattr(stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        safe = self._safe(text)
        try:
            self._call("write", safe)
        except UnicodeError:
            self._call("write", safe.encode("ascii", ENCODING_ERRORS).decode("ascii"))
        return len(text)

    def flush(self) -> None:
        if hasattr(self.stream, "flush"):
            self._call("flush")

    def isatty(self) -> bool:
        return hasattr(self.stream, "isatty") and bool(self._call("isatty"))

    def writable(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def _call(self, method: str, *arguments: str) -> Any:
        if self.lost:
            return None
        try:
            return getattr(self.stream, method)(*arguments)
        except UnicodeError:
            raise
        except (OSError, ValueError):  # a closed pipe, terminal or file, a full disk
            self.lost = True
            return None

    def _safe(self, text: str) -> str:
        lines = text.split("\n")
        if UNSAFE.search("".join(lines)):
            split = BAR.split if self.isatty() else lambda line: [line]
            lines = [
                "".join(p if i % 2 else shown(p) for i, p in enumerate(split(line)))
                for line in lines
            ]
        text = "\n".join(lines)
        with contextlib.suppress(LookupError):
            text = text.encode(self.encoding, ENCODING_ERRORS).decode(self.encoding)
        return text


@contextlib.contextmanager
def shielded() -> Iterator[None]:
    """Let no text that is printed stop what prints it."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (s if isinstance(s, Shield) else Shield(s) for s in before)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Print nothing on stdout."""
    with contextlib.redirect_stdout(Shield(None)):
        yield


def leave(stream: TextIO | None) -> None:
    """Have a stream of the process that is gone take all, so that Python ends quietly."""
    try:
        if stream is not None:
            stream.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
