"""Files appear whole or not at all, and what a killed process had begun is found again.

It lies beside the file, under a name with the number of the directory's mark: nothing else has it.
"""

import contextlib
import csv
import io
import json
import os
import pathlib
import secrets
import shutil
from collections.abc import Iterable, Iterator
from typing import Any

from tl_strategies.directories import MARK, make_directory, number_near
from tl_strategies.errors import UsageError
from tl_strategies.opening import open_regular


@contextlib.contextmanager
def atomic_write(target: pathlib.Path) -> Iterator[pathlib.Path]:
    """A path beside `target` to write a file or directory to; renamed to it when the block ends.

    Before that it is flushed to the disk. Where the block raises, nothing is left. A directory that
    another process has put there in the meantime stays.
    """
    make_directory(target.parent)
    name = f"{MARK}-{number_near(target.parent)}-{secrets.token_hex(4)}-{target.name}"
    aside = target.with_name(name)
    try:
        yield aside
        if aside.is_dir() and target.exists():
            return
        for path in (*aside.rglob("*"), aside):  # a file has nothing inside
            _flush(path)
        try:
            aside.replace(target)
        except IsADirectoryError as error:
            raise UsageError(
                f"{target} must be a file, or not be there. Received: a directory. Move it away."
            ) from error
        _flush(target.parent)
    finally:
        _delete(aside)


def remove_leftovers(directory: pathlib.Path, name: str = "") -> None:
    """Delete what processes that were killed had begun to write aside in a directory of ours.

    A name is that of the only file to look for, where others may be written now.
    """
    number = number_near(directory)
    if number and directory.is_dir():
        for path in directory.iterdir():
            if path.name.startswith(f"{MARK}-{number}-") and path.name.endswith(name):
                _delete(path)


def write_text(target: pathlib.Path, text: str) -> None:
    """Write a small text file, whole or not at all."""
    with atomic_write(target) as aside:
        aside.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Rows as the text of a .csv file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def read_text(path: pathlib.Path) -> str:
    """The text that `write_text` wrote, whatever file names are in it."""
    with open_regular(path) as file:
        return file.read().decode("utf-8", errors="surrogateescape")


def read_json(path: pathlib.Path) -> dict[str, Any] | None:
    """The object in a JSON file; None where there is no file, or, which is said, a damaged one."""
    try:
        content = json.loads(read_text(path))
        if isinstance(content, dict):
            return content
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        pass
    print(f"a damaged file is not used: {path}", flush=True)
    return None


def _flush(path: pathlib.Path) -> None:
    """Have the system write a file or a directory to its disk."""
    # Some network drives know no flushing of directories.
    with contextlib.suppress(OSError) if path.is_dir() else contextlib.nullcontext():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _delete(path: pathlib.Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
