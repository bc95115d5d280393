"""What determines a piece of long work, as a file: the same goes on, another one is refused."""

import json
import pathlib
from typing import Any

from tl_strategies.errors import UsageError
from tl_strategies.files import read_json, write_text


def begin(file: pathlib.Path, description: dict[str, Any]) -> None:
    """Write a description, or hold it against the one that is there.

    Raises:
        UsageError: that is another one.
    """
    if file.is_file():
        check_same(file, description)
    else:
        write_text(file, json.dumps(description, indent=1) + "\n")


def check_same(file: pathlib.Path, description: dict[str, Any]) -> None:
    """Raise a UsageError that names all differences to the description in a file."""
    before = read_json(file)
    if before is None:
        raise UsageError(
            f"--run_dir must hold a {file.stem} that can be read. Received: {file}, which is "
            "damaged. Name another directory; what is stored is found again."
        )
    names = [name for name in before | description if before.get(name) != description.get(name)]
    if names:
        differences = "; ".join(
            f"{name} was {_short(before.get(name))}, is {_short(description.get(name))}"
            for name in names
        )
        raise UsageError(
            f"--run_dir must hold the same {file.stem}, or none. Received: {file.parent}, where "
            f"{differences}. Name another directory, or start as before."
        )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
