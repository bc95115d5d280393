"""What all commands share: their surroundings, errors, exit codes, and how they are stopped."""

import contextlib
import os
import pathlib
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tl_apps.flags import Command, parse
from tl_apps.stopping import at_once, how_to_go_on, stoppable
from tl_strategies import __version__
from tl_strategies.directories import expanded
from tl_strategies.environment import import_keras, take_over
from tl_strategies.errors import FULL_DISK, UsageError
from tl_strategies.output import UNSAFE, leave, shielded, shown, silenced
from tl_strategies.quiet import quiet_import as held_back

if TYPE_CHECKING:
    from tl_strategies.runs.job import Job


def run_command(
    command: Command, body: Callable[[dict[str, Any]], int | None], argv: Sequence[str] | None
) -> int:
    """Parse the command line, of the process if it is None, and run the command.

    Returns the exit code: that of `body`, which gets the flags' values; 2 for what the user can
    mend, 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP.
    """
    own_process = argv is None
    if own_process:
        take_over()
    arguments = list(sys.argv[1:] if own_process else argv)
    try:
        with stoppable(command.name) as stop, shielded():
            try:
                if text := _asked(command, arguments):
                    print(text)
                    return 0
                values = parse(command.name, command.flags, arguments, command.rest)
                with silenced() if values.pop("quiet", False) else contextlib.nullcontext():
                    return body(values) or 0
            except UsageError as error:
                # Lists are indented; nothing else goes on a line of its own.
                text = "\n  ".join(map(shown, str(error).split("\n  ")))
                print(f"{command.name}: error: {text}", file=sys.stderr)
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


def _asked(command: Command, arguments: Sequence[str]) -> str:
    """What is asked for about the command itself; none where it is to work."""
    words = {argument.lstrip("-") for argument in arguments if argument.startswith("-")}
    if "helpfull" in words:
        return command.help(full=True)
    if words & {"help", "h"}:
        return command.help(full=False)
    return f"{command.name} {__version__}" if "version" in words else ""


def quoted(path: pathlib.Path) -> str:
    """The path as a shell takes it, whatever is in it."""
    text = str(path)
    if not UNSAFE.search(text):
        return shlex.quote(text)

    def escaped(found: re.Match) -> str:
        return "".join(f"\\x{byte:02x}" for byte in os.fsencode(found.group()))

    return "$'" + UNSAFE.sub(escaped, re.sub(r"([\\'])", r"\\\1", text)) + "'"


def around_work(
    go_on: Callable[[pathlib.Path], str],
) -> Callable[["Job"], contextlib.AbstractContextManager]:
    """What is entered when a job's directory is made: says what begins, and how to go on later.

    `go_on` gives the end of the sentence that says so, from the directory.
    """

    @contextlib.contextmanager
    def around(job: "Job") -> Iterator[None]:
        images = f"{len(job.listing.paths)} images of {shown(job.listing.source)}"
        print(f"{images}; writing {shown(job.directory)}")
        how_to_go_on(lambda: go_on(job.directory))
        try:
            yield
        except OSError as error:
            if error.errno not in FULL_DISK:
                raise
            raise UsageError(
                f"--run_dir must have space. Received: {job.directory}: {error.strerror}. What was "
                f"done is kept{go_on(job.directory)}"
            ) from error

    return around


def replay(command: str, directory: pathlib.Path, flags: str = "") -> str:
    """The end of a sentence: how to go on with work whose settings are in its directory."""
    config = directory / "config.toml"
    if not config.is_file():
        return ""
    line = f"{command} --config {quoted(config)} --run_dir {quoted(directory)}{flags}"
    return f"; go on with: {line}"


def whereabouts(directory: pathlib.Path, **files: str) -> list[str]:
    """The lines that end a summary: where files are, and how TensorBoard shows them."""
    lines = [f"{name:<13}{directory / file}" for name, file in files.items()]
    return [*lines, f"TensorBoard  tensorboard --logdir {quoted(directory)}"]


def with_spread(mean: float, spread: float | None) -> str:
    """A score of one training, or of several."""
    return f"{mean:.3f}" if spread is None else f"{mean:.3f} ± {spread:.3f}"


def output_file(flag: str, path: str) -> pathlib.Path:
    """Where a command writes a file; a UsageError where it cannot."""
    file = expanded(path)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_dir() or not os.access(file.parent, os.W_OK):
            raise OSError("it is a directory, or nobody may write there")
    except OSError as error:
        raise UsageError(
            f"--{flag} must be a path to write to. Received: {path}: {error}"
        ) from error
    return file


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
