"""Ctrl-C, SIGTERM and SIGHUP end a command: soon, with all that is done kept and no child left."""

import contextlib
import io
import os
import pathlib
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

from tl_strategies.output import ENCODING_ERRORS

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # a user, a scheduler, a closed terminal
GRACE = 3.5  # seconds in which the work may end by itself; schedulers kill after 5 or more
AGAIN = 0.3  # seconds after which a signal is another one; `timeout` sends its own twice


class Stop:
    """Turns signals into KeyboardInterrupt, and ends the process where that does not.

    Python handles a signal between two bytecodes, which during a long call of a library is too
    late. A thread sees it at once, by the wakeup descriptor, and looks after the end.
    """

    def __init__(self, name: str):
        self.name = name
        self.number: int | None = None  # of the signal that came
        self.how: Callable[[], str] = lambda: ""  # says how to go on, the end of a sentence
        self.at_once = False  # whether nothing is lost, and much could break, by an end at once
        self.screen = os.dup(2)  # whatever is done with it for a time
        self.encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
        self.said = False

    @property
    def code(self) -> int:
        """The exit code, as shells give it."""
        return 128 + (self.number or signal.SIGINT)

    def end(self) -> None:
        """End the process and its children, where it stands."""
        for child in children():
            with contextlib.suppress(OSError):
                os.kill(child, signal.SIGKILL)
        self.say()
        os._exit(self.code)

    def say(self) -> None:
        """Say once that the command is stopped, and how to go on, to whoever is there."""
        text = f"\n{self.name}: stopped{self.how()}\n"
        if not self.said:
            self.said = True
            with contextlib.suppress(OSError):
                os.write(self.screen, text.encode(self.encoding, ENCODING_ERRORS))

    def handle(self, number: int, frame: object) -> None:
        """Handler of the signals: raises at the first one, where it may."""
        if self.number is None and not self.at_once:
            self.number = number
            raise KeyboardInterrupt

    def watch(self, descriptor: int) -> None:
        """In a thread: end the process if it has not ended by itself, or is asked to again."""
        with os.fdopen(descriptor, "rb", buffering=0) as signals:
            number = _next(signals)
            first = time.monotonic()
            while number is not None and not self.at_once:
                left = first + GRACE - time.monotonic()
                if left <= 0 or not select.select([signals], [], [], left)[0]:
                    break
                again = _next(signals)
                if again is None:
                    number = None
                elif time.monotonic() > first + AGAIN:
                    break
        if number is not None:
            self.number = self.number or number
            self.end()


current: Stop | None = None  # of the command that runs


@contextlib.contextmanager
def stoppable(name: str) -> Iterator[Stop]:
    """Let a command be stopped by signals, but for those that its parent had it ignore."""
    global current
    outer, current = current, Stop(name)
    try:
        # Only the main thread is told of signals.
        main = threading.current_thread() is threading.main_thread()
        with _watched(current) if main else contextlib.nullcontext():
            yield current
    finally:
        os.close(current.screen)
        current = outer


@contextlib.contextmanager
def _watched(stop: Stop) -> Iterator[None]:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    heeded = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    handlers = {number: signal.signal(number, stop.handle) for number in heeded}
    threading.Thread(target=stop.watch, args=[reader], daemon=True).start()
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        os.close(writer)


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """While libraries are imported, which an exception could leave broken, end without one."""
    if current is None:
        yield
        return
    before, current.at_once = current.at_once, True
    try:
        yield
    finally:
        current.at_once = before


def how_to_go_on(how: Callable[[], str]) -> None:
    """Say so where the command is stopped from now on; see `Stop.how`."""
    if current is not None:
        current.how = how


def children() -> list[int]:
    """The processes that this one has started and that run; where the system tells."""
    found = []
    for file in pathlib.Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, file.read_text().split())
    return found


def _next(signals: io.RawIOBase) -> int | None:
    """The next of our signals; None when the command has ended."""
    while number := signals.read(1):
        if number[0] in SIGNALS:
            return number[0]
    return None
