"""Commands in processes forked from one that has TensorFlow: kills fall among work, not imports."""

import functools
import importlib
import multiprocessing
import os
import pathlib
import resource
import signal
from collections.abc import Callable, Sequence

NEEDED = ("runs.run", "search.search", "analysis.study.curve", "testing")
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([f"tl_strategies.{name}" for name in NEEDED])


@functools.cache
def prepare() -> None:
    """Wait until the process that commands are forked from has imported what they need."""
    process = _context.Process(target=int)
    process.start()
    process.join()


class Command:
    """A command that runs.

    Args:
        name: of its module in tl_apps.
        arguments: as a user types them.
        log: file that gets all that it prints.
        file_limit: bytes beyond which the system lets no file grow, as a full disk does.
        environment: variables that it has besides those of this process.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[object],
        log: pathlib.Path,
        file_limit: int | None = None,
        **environment: str,
    ):
        self.log = log
        variables = {**os.environ, **environment}
        self.process = _context.Process(
            target=_run, args=(name, list(map(str, arguments)), log, file_limit, variables)
        )
        self.process.start()

    @property
    def alive(self) -> bool:
        """Whether it runs still."""
        return self.process.is_alive()

    def kill(self) -> None:
        """Kill it as a power failure does."""
        self.process.kill()
        self.process.join()

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.kill(self.process.pid, signal.SIGINT)

    def ends(self, code: int = 0) -> str:
        """What it has printed, when it ends with an exit code."""
        self.process.join(300)
        text = self.log.read_text()
        assert self.process.exitcode == code, text
        assert "Traceback" not in text
        return text


def call(function: Callable, *arguments: object, log: pathlib.Path) -> None:
    """Call a function of a module in a process of its own; it must raise nothing."""
    process = _context.Process(target=_call, args=(function, arguments, log))
    process.start()
    process.join()
    assert process.exitcode == 0, log.read_text()


def _call(function, arguments, log):
    _print_into(log)
    function(*arguments)


def _print_into(log):
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(file, stream)


def _run(name, arguments, log, file_limit, variables):
    os.environ.update(variables)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _print_into(log)
    if file_limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
    raise SystemExit(importlib.import_module(f"tl_apps.{name}").main(arguments))
