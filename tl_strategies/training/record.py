"""What a run writes before it trains, and holds a resumed one against."""

import re

from tl_strategies.data.images import Images
from tl_strategies.data.parts import split_csv
from tl_strategies.errors import UsageError
from tl_strategies.files import read_text, remove_leftovers, write_text
from tl_strategies.output import shown
from tl_strategies.training.job import Job
from tl_strategies.training.place import RECORD
from tl_strategies.training.settings import to_toml


def planned_files(job: Job) -> dict[str, str]:
    """The files that are known before an image is decoded."""
    return {
        "config.toml": to_toml(job.settings.to_config()),
        "labels.txt": "".join(f"{name}\n" for name in job.task.names),
        RECORD: job.plan.to_json(),
    }


def check_same(job: Job, files: dict[str, str]) -> None:
    """Refuse to resume a run that was planned otherwise.

    Raises:
        UsageError: a file that is there has another text.
    """
    for name, text in files.items():
        path = job.directory / name
        if path.is_file() and _that_matters(read_text(path)) != _that_matters(text):
            raise UsageError(
                f"--resume must come with the settings and the data of the run in {job.directory}. "
                f"Received: others; {name} differs. `tl-run --config "
                f"{job.directory / 'config.toml'}` gives its settings."
            )


def _that_matters(text: str) -> list[str]:
    """The lines, but for where features are kept: results do not depend on that."""
    return [line for line in text.splitlines() if not re.match("cache_(dir|limit) =", line)]


def write_beginning(job: Job, images: Images) -> None:
    """Write what is known before training.

    Raises:
        UsageError: a run that is resumed was planned otherwise.
    """
    directory = job.directory
    remove_leftovers(directory)
    remove_leftovers(directory / "checkpoints")
    files = {**planned_files(job), "split.csv": split_csv(images.listing, images.parts)}
    if job.settings.resume:
        check_same(job, files)
    for name, text in files.items():
        write_text(directory / name, text)
    if images.listing.left_out:
        count = len(images.listing.left_out)
        report = "".join(
            f"{shown(path)}\t{shown(reason)}\n" for path, reason in images.listing.left_out
        )
        write_text(directory / "left_out.tsv", report)
        print(f"{count} files left out, listed in {directory / 'left_out.tsv'}")
