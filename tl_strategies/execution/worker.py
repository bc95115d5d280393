"""A process that runs tasks for another one: it opens its context, then does what it is sent."""

import os
import pathlib
import signal
import sys
import threading
from multiprocessing.connection import Connection
from typing import Any

from tl_strategies.environment import take_over
from tl_strategies.execution.tasks import Opening, portable
from tl_strategies.output import Shield

READY, DONE, FAILED, UNOPENED = "ready", "done", "failed", "unopened"
Message = tuple[str, Any, float]  # what happened, the result or the error, and bytes of memory


class Worker:
    """Runs tasks on a context that is opened for the first of them.

    Args:
        opening: of the context.
        log: file that gets all that is printed.
    """

    def __init__(self, opening: Opening, log: pathlib.Path):
        self.opening = opening
        self.context = None
        with log.open("ab") as file:
            for stream in (1, 2):
                os.dup2(file.fileno(), stream)
        # By their descriptors: what another library has put there would not go to the log.
        sys.stdout, sys.stderr = (Shield(os.fdopen(fd, "w", closefd=False)) for fd in (1, 2))
        take_over()
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # several processes share it

    def ready(self) -> Message:
        """It stands ready."""
        return READY, None, 0.0

    def run(self, argument: Any) -> Message:
        """Do a task."""
        try:
            kind = UNOPENED
            self.context = self.context or self.opening()
            kind = FAILED
            result: Any = self.context.run(argument)
            kind = DONE
        except Exception as error:
            result = portable(error)
            print(error, flush=True)
        sys.stdout.flush()
        return kind, result, resident()


def resident() -> float:
    """Bytes of memory that this process holds; 0 where the system does not say."""
    statm = pathlib.Path("/proc/self/statm")
    if not statm.is_file():
        return 0.0
    return float(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Serve the process at the other end of a socket; end when it does."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the parent's to handle
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    connection = Connection(int(sys.argv[1]))
    worker = Worker(*connection.recv())
    connection.send(worker.ready())
    while True:
        try:
            argument = connection.recv()
        except EOFError:
            return
        connection.send(worker.run(argument))


def _end_with_parent() -> None:
    os.read(0, 1)  # ends when the parent does, however that is
    os._exit(1)


if __name__ == "__main__":
    main()
