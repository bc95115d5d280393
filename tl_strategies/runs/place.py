"""Where a run is written: a directory of its own, held by one process."""

import contextlib
import datetime
import itertools
import pathlib

from tl_strategies.directories import claimed
from tl_strategies.errors import UsageError
from tl_strategies.settings.run import Settings

RECORD = "plan.json"  # marks a run
NAMES = (  # of all that a run writes
    *("config.toml", "labels.txt", RECORD, "split.csv", "left_out.tsv", "data.json"),
    *("checkpoints", "train", "validation", "model.keras", "predictions.csv", "metrics.json"),
    *("confusion_matrix.png", "reliability.png", "worst.png", "least_certain.png"),
)


def run_directory(settings: Settings) -> pathlib.Path:
    """The directory of a run, which holds no run yet, or the one that is resumed."""
    if settings.run_dir is None:
        now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        depth = "" if settings.n is None else f"-n{settings.n}"
        return pathlib.Path("runs") / f"{now}-{settings.strategy.replace(':', '.')}{depth}"
    directory = pathlib.Path(settings.run_dir).expanduser()
    if not settings.resume:
        _refuse_begun(directory)
    return directory


def make_new(directory: pathlib.Path) -> pathlib.Path:
    """The directory, made now; one with a number after its name where it is there already."""
    directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for number in itertools.count(1):
        name = directory.name if number == 1 else f"{directory.name}-{number}"
        with contextlib.suppress(FileExistsError):
            directory.with_name(name).mkdir(mode=0o700)
            return directory.with_name(name)
    raise AssertionError("unreachable")


@contextlib.contextmanager
def held(directory: pathlib.Path, resume: bool):
    """Hold the directory of a run for this process."""
    with claimed(directory, RECORD, NAMES):
        if not resume:  # another process may have been faster
            _refuse_begun(directory)
        yield


def _refuse_begun(directory: pathlib.Path) -> None:
    if any((directory / part / RECORD).is_file() for part in ("", "fold1")):
        raise UsageError(
            f"--run_dir must not hold a run yet. Received: {directory}. Go on with it by --resume, "
            "or name another directory."
        )
