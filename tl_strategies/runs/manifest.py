"""Where a run is written, and the manifest there: what determines the results of work, as files.

It is written where there is none, and matched where there is one: the same work goes on, another
one is refused.
"""

import contextlib
import datetime
import json
import pathlib
import tomllib
from typing import Any

from tl_strategies.directories import claimed
from tl_strategies.errors import UsageError
from tl_strategies.files import read_text, write_text
from tl_strategies.settings.run import PLACES, Settings

RECORD = "plan.json"  # marks a run
NAMES = (  # of all that a run writes
    *("config.toml", "labels.txt", RECORD, "split.csv", "left_out.tsv", "data.json"),
    *("checkpoints", "train", "validation", "model.keras", "predictions.csv", "metrics.json"),
    *("confusion_matrix.png", "reliability.png", "worst.png", "least_certain.png"),
    "card.md",
)
LONGEST = 200  # characters of a value in a message


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


def begin(directory: pathlib.Path, kind: str, files: dict[str, str]) -> None:
    """Write a manifest, texts by file name, or match the one that is there; `kind` is "run" …"""
    match(directory, kind, files)
    for name, text in files.items():
        write_text(directory / name, text)


def match(directory: pathlib.Path, kind: str, files: dict[str, str]) -> None:
    """Raise a UsageError that names all differences to the first file that differs.

    Results do not depend on where features are kept: that may change.
    """
    for name, text in files.items():
        path = directory / name
        if path.is_file() and (different := _differences(path, text, kind)):
            own = directory / "config.toml"
            raise UsageError(
                f"--run_dir must hold the same {kind}, or none. Received: {directory}, where "
                f"{different}. Name another directory, or take its own settings: --config {own}."
            )


def to_json(content: Any) -> str:
    """The text of a JSON file."""
    return json.dumps(content, indent=1) + "\n"


def to_toml(command: str, config: dict[str, Any]) -> str:
    """The text of config.toml, from which a command is replayed; None is left out."""
    lines = [f"# {command} --config THIS_FILE replays it"]
    lines += [f"{name} = {_toml(value)}" for name, value in config.items() if value is not None]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return repr(value)


def _differences(path: pathlib.Path, text: str, kind: str) -> str:
    parse = {".json": json.loads, ".toml": tomllib.loads}.get(path.suffix)
    found = read_text(path)
    if parse is None:
        return "" if found == text else f"{path.name} differs"
    try:
        before, now = parse(found), parse(text)
    except ValueError as error:
        raise UsageError(
            f"--run_dir must hold a {kind} that can be read. Received: {path}, which is damaged. "
            "Name another directory; what is stored is found again."
        ) from error
    names = [name for name in before | now if before.get(name) != now.get(name)]
    return "; ".join(
        f"{name} was {_short(before.get(name))}, is {_short(now.get(name))}"
        for name in names
        if name not in PLACES
    )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
