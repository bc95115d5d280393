"""A process that outlives its parent by a moment, to end what the parent had started.

Ray's own agents may go on for a minute after a driver that was killed, looking for their cluster.
"""

import contextlib
import os
import pathlib
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

MARK = "TL_STRATEGIES_GUARD"
QUIET, PAUSE = 5, 0.2  # looks in which nobody is found, and seconds between them


@contextlib.contextmanager
def marked(started: list[subprocess.Popen]) -> Iterator[None]:
    """Processes that are started meanwhile end with this one, and so do those that they start.

    Args:
        started: gets the guard, whose `stdin` is to be closed when they are to end.
    """
    mark = secrets.token_hex(8)
    command = [sys.executable, "-m", __name__, mark]
    started.append(subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True))
    os.environ[MARK] = mark
    try:
        yield
    finally:
        del os.environ[MARK]


def main() -> None:
    """Wait for the parent's end, then kill all processes that have the mark."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.read(0, 1)
    wanted, quiet = f"{MARK}={sys.argv[1]}".encode(), 0
    while quiet < QUIET:  # one that is being started shows no environment yet
        quiet = 0 if _kill(wanted) else quiet + 1
        time.sleep(PAUSE)


def _kill(wanted: bytes) -> bool:
    """Kill the processes that have a variable in their environment; were there any?"""
    found = False
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (path / "environ").read_bytes().split(b"\0"):
                os.kill(int(path.name), signal.SIGKILL)
                found = True
    return found


if __name__ == "__main__":
    main()
