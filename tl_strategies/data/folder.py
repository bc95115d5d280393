"""A folder of images: the name of a sub-folder is the label of what lies in it, at any depth.

Sub-folders called train, test and, where there is one, validation hold such folders each.
"""

import os
import pathlib

import numpy as np

from tl_strategies.data.listing import PART_NAMES, Listing
from tl_strategies.data.task import Task
from tl_strategies.errors import UsageError


def list_folder(path: str | os.PathLike, source: str | None = None) -> Listing:
    """List the files below a folder's sub-folders. Hidden ones are passed over.

    Args:
        path: of the folder.
        source: what to call it; None for "folder:PATH".

    Raises:
        UsageError: the folder is missing, empty, or has fewer than two sub-folders with files, or
            a class has too few files.
    """
    root = pathlib.Path(path).expanduser().absolute()
    source = source or f"folder:{path}"
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise UsageError(f"--dataset folder:PATH must be a folder. Received: {root}, which {what}.")
    entries = _entries(root)
    classes = [entry for entry in entries if entry.is_dir()]
    loose = [entry for entry in entries if not entry.is_dir()]
    part_of = {folder: PART_NAMES.get(folder.name.lower()) for folder in classes}
    parted = len(classes) > 1 and None not in part_of.values() and "train" in part_of.values()
    if parted:
        inside = [entry for folder in classes for entry in _entries(folder)]
        classes = [entry for entry in inside if entry.is_dir()]
        loose += [entry for entry in inside if not entry.is_dir()]
    names = sorted({folder.name for folder in classes})
    if len(names) < 2:
        received = f"one, {names[0]!r}" if names else "none"
        raise UsageError(
            f"{source} must hold a sub-folder for each class, at least two. Received: {received}"
            f"{f', and {len(loose)} files beside' if loose else ''}. Put the images of each class "
            f"into a folder of its own, such as {root / 'cats' / 'photo.jpg'}."
        )
    paths: list[str] = []
    labels: list[int] = []
    parts: list[str] = []
    for folder in classes:
        found = _files(folder)
        paths += found
        labels += [names.index(folder.name)] * len(found)
        if parted:
            parts += [part_of[folder.parent]] * len(found)
    listing = Listing(
        source=source,
        paths=tuple(paths),
        labels=np.array(labels, dtype="int64"),
        task=Task(tuple(names)),
        parts=np.array(parts) if parted else None,
        left_out=tuple((str(entry), "not in a class's sub-folder") for entry in loose),
    )
    listing.check_counts()
    return listing


def _entries(folder: pathlib.Path) -> list[pathlib.Path]:
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    odd = [entry.name for entry in entries if not entry.name.isprintable()]
    if odd:
        raise UsageError(
            f"A class's name must be printable text. Received: {odd[0]!r} in {folder}."
        )
    return entries


def _files(folder: pathlib.Path) -> list[str]:
    """The files below a folder, in order of their path; a folder reached twice is read once."""
    found, seen = [], set()
    for directory, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(directory)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [str(pathlib.Path(directory, name)) for name in files if not name.startswith(".")]
    return sorted(found)
