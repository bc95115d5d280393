"""Progress: bars, drawn in a terminal, quiet elsewhere; a line for each task that is done."""

import functools
import sys
import time
from collections.abc import Callable


def progress_bar(count: int, what: str) -> Callable[[int], None]:
    """A function of the number done; the bar, below what is done, appears at its first call."""
    if not sys.stdout.isatty():
        return lambda done: None

    @functools.cache
    def bar():
        import keras

        print(what)
        return keras.utils.Progbar(count)

    return lambda done: bar().update(done)


class TaskLines:
    """Prints a line for each task that has ended, with the time that is left.

    Args:
        count: of tasks; None where nobody knows.
        done: how many were done before.
    """

    def __init__(self, count: int | None, done: int = 0):
        self.count = count
        self.first = self.done = done
        self.start = time.monotonic()

    def write(self, text: str) -> None:
        """One more task has ended."""
        self.done += 1
        if self.count is None:
            print(f"[{self.done}] {text}", flush=True)
            return
        each = (time.monotonic() - self.start) / (self.done - self.first)
        left = _duration(each * (self.count - self.done))
        print(f"[{self.done}/{self.count}] {text}; {left} left", flush=True)


def _duration(seconds: float) -> str:
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
