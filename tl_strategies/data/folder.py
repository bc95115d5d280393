"""A folder of images: the name of a sub-folder is the label of what lies in it, at any depth.

Sub-folders that are called like parts, such as train, Testing or val2017, hold such folders each.
"""

import os
import pathlib

import numpy as np

from tl_strategies.data.faults import reason
from tl_strategies.data.listing import Listing
from tl_strategies.data.part_names import parts_notes, parts_of
from tl_strategies.data.walk import Walk
from tl_strategies.errors import UsageError
from tl_strategies.task import Task


def list_folder(path: str | os.PathLike, source: str | None = None) -> Listing:
    """List the files below a folder's sub-folders.

    Args:
        path: of the folder.
        source: what to call it; None for "folder:PATH".

    Raises:
        UsageError: the folder is missing or cannot be read, has fewer than two sub-folders with
            files, or sub-folders some of which are called like parts.
    """
    root = pathlib.Path(path).expanduser().absolute()
    source = source or f"folder:{path}"
    try:
        os.scandir(root).close()
    except (OSError, ValueError) as error:  # ValueError: NUL in the path
        what = {FileNotFoundError: "it does not exist", NotADirectoryError: "it is not a folder"}
        raise UsageError(
            f"--dataset folder:PATH must be a folder that you can read. Received: {root}: "
            f"{what.get(type(error)) or reason(error, str(root))}."
        ) from error
    walk = Walk(root)
    folders, loose = walk.look(root)
    part = parts_of(folder.name for folder in folders)
    files = walk.classes(folder for folder in folders if folder.name not in part)
    if part:
        _check_parts(root, part, list(files))
        inside = [walk.look(folder) for folder in folders if folder.name in part]
        files = walk.classes(folder for classes, _ in inside for folder in classes)
        loose += [file for _, others in inside for file in others]
    names = sorted({folder.name for folder in files})
    if len(names) < 2:
        raise _no_classes(source, root, names, len(loose))
    each = [len(found) for found in files.values()]
    labels = np.array([names.index(folder.name) for folder in files], "int64")
    parts = np.array([part[folder.parent.name] for folder in files]) if part else None
    return Listing(
        source=source,
        paths=tuple(path for found in files.values() for path in found),
        labels=np.repeat(labels, each),
        task=Task(tuple(names)),
        parts=None if parts is None else np.repeat(parts, each),
        left_out=(*((path, "not in a class's sub-folder") for path in loose), *walk.left_out),
        notes=(*walk.notes(), *parts_notes(part)),
    )


def _check_parts(root: pathlib.Path, part: dict[str, str], others: list[pathlib.Path]) -> None:
    """Refuse part folders with others beside them, without a second part, or two for one part."""
    listed = ", ".join(part)
    train = next((name for name in part if part[name] == "train"), next(iter(part)))
    if others:
        beside = ", ".join(folder.name for folder in others[:5])
        raise UsageError(
            f"Folders called like parts must be the only ones in {root}. Received: {listed}, and "
            f"beside them {beside}. Take {beside} out of {root}, or use folder:{root / train}; if "
            f"{listed} are classes, give them other names, or list the images in csv:FILE."
        )
    if len(set(part.values())) < len(part):
        received = ", ".join(f"{name} for {its}" for name, its in part.items())
        raise UsageError(
            f"There must be one folder for each part in {root}. Received: {received}. Put them "
            "together, or take one out."
        )
    if "train" not in part.values() or len(part) < 2:
        raise UsageError(
            "Folders called like parts must be one for training and at least one other, for test "
            f"or validation. Received: only {listed} in {root}. To split its images anew use "
            f"folder:{root / train}."
        )


def _no_classes(source: str, root: pathlib.Path, names: list[str], loose: int) -> UsageError:
    received = f"one, {names[0]!r}" if names else "none"
    beside = f", and {loose} files beside" if loose else ""
    return UsageError(
        f"{source} must hold a sub-folder for each class, at least two. Received: {received}"
        f"{beside}. Put the images of each class into a folder of its own, such as "
        f"{root / 'cats' / 'photo.jpg'}; or name the folder that holds such ones."
    )
