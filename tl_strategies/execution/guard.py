"""A process that outlives its parent by a moment, to end what the parent had started.

Ray's own agents may go on for a minute after a driver that was killed, looking for their cluster.
"""

import contextlib
import os
import pathlib
import secrets
import select
import signal
import subprocess
import sys
from collections.abc import Iterator

MARK = "TL_STRATEGIES_GUARD"
PAUSE = 0.3  # seconds between looks
QUIET = 4  # looks in which nobody is found any more

Found = dict[int, str]  # when each process was started, by its number


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
    """Look for processes that have the mark until the parent ends; then kill them all."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    wanted = f"{MARK}={sys.argv[1]}".encode()
    known: Found = {}
    while not select.select([0], [], [], PAUSE)[0]:
        known = look(wanted, known)
    quiet = 0
    while quiet < QUIET:
        known = look(wanted, known)
        for number in known:
            with contextlib.suppress(OSError):
                os.kill(number, signal.SIGKILL)
        quiet = 0 if known else quiet + 1
        select.select([], [], [], PAUSE)


def look(wanted: bytes, known: Found) -> Found:
    """The processes that have a variable in their environment, had it, or were started by those.

    What gives itself a title, as Ray's agents do, writes it over its environment.
    """
    found: Found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            values = (path / "stat").read_text().rsplit(")", 1)[1].split()
            state, above, start = values[0], int(values[1]), values[19]
            number = int(path.name)
            seen = known.get(number) == start or above in known
            if state != "Z" and (seen or wanted in (path / "environ").read_bytes().split(b"\0")):
                found[number] = start
    return found


if __name__ == "__main__":
    main()
