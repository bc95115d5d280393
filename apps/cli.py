"""What all commands share: their surroundings, errors, exit codes, and how they are stopped."""

import contextlib
import os
import pathlib
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tl_apps.flags import Flag, help_text, parse
from tl_apps.stopping import at_once, how_to_go_on, stoppable
from tl_strategies.environment import import_keras, take_over
from tl_strategies.errors import FULL_DISK, UsageError
from tl_strategies.output import UNSAFE, leave, shielded, shown
from tl_strategies.quiet import quiet_import as held_back

if TYPE_CHECKING:
    from tl_strategies.training.job import Job


def run_command(
    name: str,
    doc: str | None,
    schema: list[Flag],
    body: Callable[[dict[str, Any]], int | None],
    argv: Sequence[str] | None,
    epilog: Callable[[], str] = lambda: "",
) -> int:
    """Parse the command line and run the command.

    Args:
        name: of the command.
        doc: what it does; the first lines of --help.
        schema: its flags.
        body: gets the flags' values, returns the exit code.
        argv: the arguments, without the command's name; None for those of the process.
        epilog: the last lines of --help.

    Returns:
        The exit code: 2 for what the user can mend, 130 for Ctrl-C, 143 for SIGTERM, 129 for
        SIGHUP.
    """
    own_process = argv is None
    if own_process:
        take_over()
    arguments = list(sys.argv[1:] if own_process else argv)
    try:
        with stoppable(name) as stop, shielded():
            try:
                if any(argument in ("--help", "-help", "-h") for argument in arguments):
                    print(help_text(name, doc, schema) + epilog())
                    return 0
                return body(parse(name, schema, arguments)) or 0
            except UsageError as error:
                print(f"{name}: error: {_shown_lines(error)}", file=sys.stderr)
                return 2
            except KeyboardInterrupt:
                sys.stdout.flush()
                if own_process:  # to take TensorFlow down takes seconds
                    stop.end()
                stop.say()
                return stop.code
    finally:
        if own_process:
            leave(sys.stdout)
            leave(sys.stderr)


def _shown_lines(error: Exception) -> str:
    """A message; lists in it are indented, and nothing else goes on a line of its own."""
    return "\n  ".join(map(shown, str(error).split("\n  ")))


def announce(job: "Job") -> None:
    """Say what the work is about to begin with."""
    images = f"{len(job.listing.paths)} images of {shown(job.listing.source)}"
    print(f"{images}; writing {shown(job.directory)}")


def quoted(path: pathlib.Path) -> str:
    """The path as a shell takes it, whatever is in it."""
    text = str(path)
    if not UNSAFE.search(text):
        return shlex.quote(text)

    def escaped(found: re.Match) -> str:
        return "".join(f"\\x{byte:02x}" for byte in os.fsencode(found.group()))

    return "$'" + UNSAFE.sub(escaped, re.sub(r"([\\'])", r"\\\1", text)) + "'"


@contextlib.contextmanager
def long_work(directory: pathlib.Path, go_on: Callable[[pathlib.Path], str]) -> Iterator[None]:
    """Say, where work is stopped or the disk is full, how to go on with it.

    Args:
        directory: where the work is written.
        go_on: gives the end of the sentence that says so, from the directory.

    Raises:
        UsageError: the disk is full.
    """
    try:
        with how_to_go_on(lambda: go_on(directory)):
            yield
    except OSError as error:
        if error.errno not in FULL_DISK:
            raise
        raise UsageError(
            f"--run_dir must have space. Received: {directory}: {error.strerror}. What was done is "
            f"kept{go_on(directory)}"
        ) from error


def import_source(dataset: str) -> None:
    """Import what a data source needs, quietly."""
    if dataset.startswith("tfds:"):
        with quiet_import():
            import tensorflow_datasets  # noqa: F401


@contextlib.contextmanager
def quiet_import() -> Iterator[None]:
    """Import what the work needs: a stop is heeded at once, nothing comes to the screen."""
    with at_once(), held_back():
        import_keras()
        yield
