"""Images of a finished run, decoded again: some of a part, with their labels."""

import csv
import pathlib
import tomllib
from typing import Any

import numpy as np

from tl_strategies.data.arrays import list_data
from tl_strategies.data.contents import Files
from tl_strategies.data.decode import decode_images
from tl_strategies.data.sources import list_dataset
from tl_strategies.data.split import PARTS
from tl_strategies.errors import UsageError
from tl_strategies.files import read_text
from tl_strategies.image_size import ImageSize
from tl_strategies.task import Task

FILES = ("clipart", "folder", "csv")  # sources whose paths are those of files


def images_of_run(
    directory: pathlib.Path, part: str, most: int, size: ImageSize, task: Task, data: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """Images of a part, evenly spread over it where it has more than `most`; and their labels.

    Args:
        directory: of the run, with its config.toml and split.csv.
        part, most: which images.
        size: of the images, in pixels.
        task: the labels of the run.
        data: what the run was given from memory; see `list_data`.

    Returns:
        uint8 of shape (images, height, width, 3), and labels as in a listing.

    Raises:
        UsageError: they are not there any more.
    """
    try:
        rows = [*csv.DictReader(read_text(directory / "split.csv").splitlines())]
        config = tomllib.loads(read_text(directory / "config.toml"))
        rows = [row for row in rows if row["part"] == part]
        labels = [_label(row["label"], task) for row in rows]
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(
            f"A run must have its split.csv and config.toml. Received: {directory}: {error!r}."
        ) from error
    chosen = np.unique(np.linspace(0, len(rows) - 1, most).astype(int))
    rows, labels = [rows[i] for i in chosen], [labels[i] for i in chosen]
    images = [*decode_images(_sources(config, [row["path"] for row in rows], data), size)]
    missing = [
        f"{row['path']}: {image}"
        for row, image in zip(rows, images, strict=True)
        if isinstance(image, str)
    ]
    if missing:
        raise UsageError(
            f"The {part} images of the run must be there. Received: {len(missing)} of "
            f"{len(images)} that cannot be read, such as {missing[0]}. Put them back."
        )
    return np.stack(images), np.array(labels)


def _label(text: str, task: Task) -> Any:
    if not task.multilabel:
        return task.names.index(text)
    return [name in text.split(";") for name in task.names]


def _sources(config: dict[str, Any], paths: list[str], data: Any) -> Any:
    """What images are made from: files, which need not be listed, or what the data set holds."""
    if config["dataset"].partition(":")[0] in FILES:
        return Files(paths).read(np.arange(len(paths)))
    if config["dataset"] == "data" and data is None:
        raise UsageError(
            "The run's images must be given where they came from memory. Received: none. Call "
            "tl.load(run).export(format, data=…) with what tl.fit got."
        )
    splits = {part: config.get(f"{part}_split") for part in PARTS}
    listing = list_dataset(config["dataset"], splits) if data is None else list_data(data)
    number = {path: i for i, path in enumerate(listing.paths)}
    if absent := [path for path in paths if path not in number]:
        raise UsageError(
            f"The images of the run must be in its data. Received: {listing.source} without "
            f"{len(absent)} of {len(paths)}, such as {absent[0]}."
        )
    return listing.contents.read(np.array([number[path] for path in paths]))
