"""Labels for new images, by the models that runs have saved: decoded ahead, in batches."""

import csv
import hashlib
import itertools
import json
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

import keras
import numpy as np

from tl_strategies.data.augment import FIXED_VIEWS, augment, fixed_views
from tl_strategies.data.decode import Source, decode_images
from tl_strategies.data.folder import SYSTEMS
from tl_strategies.directories import expanded
from tl_strategies.environment import plain_keras
from tl_strategies.errors import UsageError
from tl_strategies.files import read_text
from tl_strategies.image_size import parse_size
from tl_strategies.training.forward import BATCH, make_forward, one_ahead

MODEL, LABELS, PLAN = "model.keras", "labels.txt", "plan.json"
GLOB = set("*?[")

Views = int | Literal["crops16"]


class Predictor:
    """The models of one or several runs, whose probabilities are averaged.

    Args:
        directories: of runs, of cross-validations, whose folds all count, or of searches, whose
            best counts.

    Attributes:
        labels: their names, in the order of the probabilities.
        multilabel: whether an image may have several.
        models: of all runs, which take images of shape (height, width, 3).

    Raises:
        UsageError: a directory has no finished run, or runs have different labels.
    """

    def __init__(self, directories: Sequence[pathlib.Path]):
        places = [place for directory in directories for place in model_places(directory)]
        self.labels, self.multilabel = labels_of(places[0])
        self.models: list[keras.Model] = []
        self._forwards: dict[Any, list] = {}  # by the size of their images
        for place in places:
            if labels_of(place) != (self.labels, self.multilabel):
                raise UsageError(
                    f"Runs whose predictions are averaged must have the same labels. Received: "
                    f"{places[0]} and {place}."
                )
            model = load_model(place, len(self.labels))
            self.models.append(model)
            size = parse_size(tuple(model.inputs[0].shape[1:3]))
            self._forwards.setdefault(size, []).append(make_forward(model))

    def stream(self, sources: Iterable[Source], views: Views = 1) -> Iterator[np.ndarray | str]:
        """Probabilities of shape (labels,) of each image, or why it cannot be read.

        Args:
            sources: paths, bytes of files, or uint8 arrays of shape (height, width, 1 or 3).
            views: how many are averaged: the image, and seeded crops and flips of it; or
                "crops16", see `fixed_views`.
        """
        if views != "crops16" and not (isinstance(views, int) and views >= 1):
            raise UsageError(f"views must be at least 1, or crops16. Received: {views!r}.")
        copies = itertools.tee(sources, len(self._forwards))
        decoded = zip(
            *(decode_images(s, size) for s, size in zip(copies, self._forwards, strict=True)),
            strict=True,
        )
        items = (images[0] if isinstance(images[0], str) else images for images in decoded)
        return in_batches(items, lambda batch: self._batch(batch, views), BATCH)

    def _batch(self, images: list[tuple], views: Views) -> np.ndarray:
        """Mean probabilities of a batch, one array an image for each size."""
        found, columns = [], zip(*images, strict=True)
        for column, forwards in zip(columns, self._forwards.values(), strict=True):
            padded = np.stack(column)[np.resize(np.arange(len(images)), BATCH)]
            for view in range(FIXED_VIEWS if views == "crops16" else views):
                shown = padded
                if view and views == "crops16":
                    shown = fixed_views(padded, np.full(len(padded), view))
                elif view:
                    keys = [_key(image, view) for image in padded]
                    shown = augment("standard", padded, np.array(keys, "S32"))
                found += [forward(shown)[: len(images)] for forward in forwards]
        mean = found[0] if len(found) == 1 else np.mean(found, axis=0)
        self.check(mean)
        return mean

    def check(self, probabilities: np.ndarray) -> None:
        """Raise a UsageError unless that is what a batch of outputs is."""
        sums = probabilities.sum(axis=1)
        if (
            probabilities.min() < 0
            or probabilities.max() > 1.001
            or not (self.multilabel or np.allclose(sums, 1, 0, 0.01))
        ):
            raise UsageError(
                "The model must give probabilities. Received: "
                f"{probabilities[0].tolist()[:5]}, … Was its last layer changed?"
            )


def in_batches(
    items: Iterator[Any], compute: Callable[[list], Iterable], size: int
) -> Iterator[Any]:
    """What `compute` makes of a batch of items, one by one; texts, which are errors, stay."""
    batches = iter(lambda: [*itertools.islice(items, size)], [])
    for batch in one_ahead(batches):
        good = [item for item in batch if not isinstance(item, str)]
        values = iter(compute(good) if good else ())
        for item in batch:
            yield item if isinstance(item, str) else next(values)


def model_places(directory: pathlib.Path) -> list[pathlib.Path]:
    """The directories of a run's models: itself, its folds, or the best of a search.

    Raises:
        UsageError: there is none.
    """
    for places in (
        [directory],
        [directory / "best"],
        sorted(directory.glob("fold[0-9]*"), key=lambda fold: (len(fold.name), fold.name)),
    ):
        if places and all((place / MODEL).is_file() for place in places):
            return places
    raise UsageError(
        f"RUN must be the directory of a finished run, with its {MODEL}. Received: {directory}"
        f"{'' if directory.is_dir() else ', which is no directory'}."
    )


def labels_of(place: pathlib.Path) -> tuple[tuple[str, ...], bool]:
    """The names of a run's labels, and whether an image may have several."""
    try:
        names = tuple(read_text(place / LABELS).splitlines())
        return names, json.loads(read_text(place / PLAN))["head"]["multilabel"]
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(
            f"A run must have its {LABELS} and {PLAN}, beside its {MODEL}. Received: {place}: "
            f"{error}."
        ) from error


@plain_keras()
def load_model(place: pathlib.Path, count: int) -> keras.Model:
    """The model of a run, which takes images and gives so many probabilities."""
    try:
        model = keras.models.load_model(place / MODEL, compile=False)
    except Exception as error:  # Keras raises many kinds for a file that is not whole
        raise UsageError(
            f"{place / MODEL} must be a model that Keras loads. Received: "
            f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        ) from error
    shape = tuple(model.output_shape)
    inputs = [tuple(tensor.shape) for tensor in model.inputs]
    if len(inputs) != 1 or len(inputs[0]) != 4 or inputs[0][-1] != 3:
        raise UsageError(
            f"{place / MODEL} must take images of shape (height, width, 3). Received: inputs of "
            f"shape {', '.join(map(str, inputs))}."
        )
    if shape != (None, count):
        raise UsageError(
            f"{place / MODEL} must give {count} probabilities, one a line of {LABELS}. Received: "
            f"outputs of shape {shape}."
        )
    return model


def _key(image: np.ndarray, view: int) -> str:
    return hashlib.blake2b(image.tobytes() + view.to_bytes(4, "little"), digest_size=16).hexdigest()


def image_paths(names: Sequence[str], lines: Iterable[str] = ()) -> list[str]:
    """Paths of images: files, all files in folders, globs, a csv's column, lines for "-".

    Raises:
        UsageError: there are none, or a csv has no column `path`.
    """
    paths: list[str] = []
    for name in names:
        path = expanded(name)
        if name == "-":
            paths += [line.rstrip("\n") for line in lines if line.strip()]
        elif path.is_dir():
            paths += _files_below(path)
        elif path.suffix.lower() == ".csv" and path.is_file():
            paths += _column(path)
        elif GLOB & set(name) and not path.exists():
            paths += _matching(path)
        else:
            paths.append(str(path))
    if not paths:
        raise UsageError(
            "Images must be files, folders with files, globs, a csv with a column path, or - for "
            f"paths from standard input. Received: {', '.join(names) or 'none'}: no image."
        )
    return paths


def _matching(pattern: pathlib.Path) -> list[str]:
    try:
        found = pathlib.Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor)))
        return sorted(str(file) for file in found if file.is_file())
    except (OSError, ValueError) as error:
        raise UsageError(
            f"A pattern of images must be one that can be looked for. Received: {pattern}: {error}"
        ) from error


def _files_below(folder: pathlib.Path) -> list[str]:
    def is_own(name: str) -> bool:
        return not name.startswith(".") and name.lower() not in SYSTEMS

    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(filter(is_own, folders))
        found += [str(pathlib.Path(place, name)) for name in sorted(filter(is_own, files))]
    return found


def _column(file: pathlib.Path) -> list[str]:
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{file} must be a csv that can be read. Received: {error}.") from error
    if rows and "path" not in rows[0]:
        raise UsageError(
            f"{file} must have a column path. Received: {', '.join(map(str, rows[0]))}."
        )
    return [str(file.parent / row["path"]) for row in rows if row["path"]]
