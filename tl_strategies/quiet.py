"""Keeps off the screen what TensorFlow says while it is imported."""

import contextlib
import io
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import TextIO


@contextlib.contextmanager
def quiet_import(replay: bool = True) -> Iterator[None]:
    """Hold back what is written to the process's stderr; `replay` shows it if the block fails."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    silence_retracing()
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(saved, 2)
            aside.seek(0)
            os.write(2, aside.read() if replay else b"")
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def silence_retracing() -> None:
    """Keep TensorFlow from saying that functions are traced often: of many models each is once."""
    logging.getLogger("tensorflow").addFilter(_is_no_retracing)


def _is_no_retracing(record: logging.LogRecord) -> bool:
    return "retracing" not in record.getMessage()


@contextlib.contextmanager
def quiet_code() -> Iterator[None]:
    """For code of a user's, which may import TensorFlow: all that it prints is shown on stderr."""
    shown = _stderr()
    with (
        quiet_import(replay=False),
        contextlib.redirect_stderr(shown),
        contextlib.redirect_stdout(shown),
    ):
        yield


def _stderr() -> TextIO:
    """Python's stderr as a stream that `quiet_import`, begun after this, does not hold back."""
    try:
        if sys.stderr.fileno() != 2:
            return sys.stderr
    except (AttributeError, io.UnsupportedOperation):  # a notebook's
        return sys.stderr
    # Never closed: what is imported meanwhile may keep it, as loggers do.
    return os.fdopen(os.dup(2), "w", 1, errors="backslashreplace", closefd=False)
