"""Images in memory: an .npz file, or what a program has in its hands."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from tl_strategies.data.contents import Arrays
from tl_strategies.data.listing import Listing
from tl_strategies.data.split import PARTS
from tl_strategies.data.task import Task
from tl_strategies.errors import UsageError


def list_npz(file: str | os.PathLike) -> Listing:
    """List the images of an .npz file.

    Args:
        file: has x_train and y_train, and where there are any x_validation, y_validation, x_test,
            y_test; and `names` of the labels where the labels are numbers.

    Raises:
        UsageError: an array is missing or not as it must be; the message names its key.
    """
    path = pathlib.Path(file).expanduser().absolute()
    arrays = {}
    try:
        with np.load(path, allow_pickle=False) as stored:
            for key in stored.files:
                try:
                    arrays[key] = stored[key]
                except ValueError as error:
                    raise UsageError(
                        f"{key} in {path} must be an array of numbers. Received: {error}."
                    ) from error
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise UsageError(
            f"--dataset npz:FILE must be an .npz file. Received: {path}: {error}."
        ) from error
    pairs = {
        part: (arrays[f"x_{part}"], arrays[f"y_{part}"])
        for part in PARTS
        if f"x_{part}" in arrays and f"y_{part}" in arrays
    }
    if "train" not in pairs:
        raise UsageError(
            f"{path} must hold x_train and y_train. Received: {', '.join(arrays) or 'nothing'}."
        )
    return list_arrays(pairs, f"npz:{file}", names=arrays.get("names"))


def list_data(data: Any) -> Listing:
    """List images that a program has.

    Args:
        data: a pair of images and labels; a tf.data.Dataset or a keras.utils.PyDataset of such
            pairs, batched or not; or a dictionary of any of these by part: "train", and where there
            are any "validation" and "test". They are read once, and held in memory.

    Raises:
        UsageError: it is not as it must be.
    """
    parts = data if isinstance(data, dict) else {"train": data}
    if "train" not in parts or not parts.keys() <= set(PARTS):
        raise UsageError(
            f"data must have the parts train, and where there are any validation and test. "
            f"Received: {', '.join(map(str, parts))}."
        )
    return list_arrays({part: _pair(part, given) for part, given in parts.items()}, "data")


def _pair(part: str, given: Any) -> tuple[Any, Any]:
    """Images and labels of a part, in memory."""
    if isinstance(given, tuple):
        if len(given) != 2:
            raise UsageError(
                f"data of {part} must be a pair, images and labels. Received: {len(given)} values."
            )
        return given
    if hasattr(given, "as_numpy_iterator"):
        batches = given.as_numpy_iterator()
    elif hasattr(given, "__len__") and hasattr(given, "__getitem__"):
        batches = (given[i] for i in range(len(given)))
    else:
        raise UsageError(
            f"data of {part} must be a pair of arrays, a tf.data.Dataset or a PyDataset. Received: "
            f"{type(given).__name__}."
        )
    images, labels = [], []
    for batch in batches:
        if not isinstance(batch, tuple) or len(batch) < 2:
            raise UsageError(
                f"data of {part} must give pairs of images and labels. Received: "
                f"{type(batch).__name__}."
            )
        x, y = np.asarray(batch[0]), np.asarray(batch[1])
        single = x.ndim == 3
        images += [x] if single else list(x)
        labels += [y] if single else list(y)
    same = len({image.shape for image in images}) == 1
    return np.stack(images) if same else images, np.array(labels)


def list_arrays(
    pairs: dict[str, tuple[Any, Any]], source: str, names: np.ndarray | None = None
) -> Listing:
    """List arrays by part; without a part but "train", they are split.

    Args:
        pairs: images and labels by part. Images have the shape (images, height, width, 1 or 3), or
            (images, height, width); integers in [0, 255], or floats in [0, 1] or [0, 255]. Labels
            are one integer or text an image, or one number for each label: one-hot, or, where an
            image has several labels, 0 and 1.
        source: what to call them.
        names: of the labels, where these are numbers from 0.

    Raises:
        UsageError: an array is not as it must be; the message names it.
    """
    images, labels, parts, paths = [], [], [], []
    notes: dict[str, None] = {}
    for part, (x, y) in pairs.items():
        x, said = _images(x, f"x_{part}")
        y = np.asarray(y)
        if len(y) != len(x):
            raise UsageError(
                f"y_{part} must have a label for each image of x_{part}. Received: {len(y)} for "
                f"{len(x)}."
            )
        images += list(x)
        labels.append(_numbers(y, f"y_{part}"))
        parts += [part] * len(x)
        paths += [f"{part}/{i:06}" for i in range(len(x))]
        notes.update(dict.fromkeys(said))
    if len({(values.ndim, values.shape[1:], values.dtype.kind) for values in labels}) > 1:
        shapes = ", ".join(f"y_{part} {y.shape}" for part, y in zip(pairs, labels, strict=True))
        raise UsageError(f"Labels of all parts must be alike. Received: {shapes}.")
    numbers, task, said = _task(np.concatenate(labels), names, source)
    listing = Listing(
        source=source,
        paths=tuple(paths),
        labels=numbers,
        task=task,
        contents=Arrays(images),
        parts=np.array(parts) if len(pairs) > 1 else None,
        notes=(*notes, *said),
    )
    listing.check_counts()
    return listing


def _images(x: Any, key: str) -> tuple[Sequence[np.ndarray], list[str]]:
    """Images as uint8 with their channels last; what was done for that."""
    if isinstance(x, list) and x and len({np.shape(image) for image in x}) > 1:
        done = [_images(np.asarray(image)[None], f"{key}[{i}]") for i, image in enumerate(x)]
        return [array[0] for array, _ in done], [note for _, notes in done for note in notes]
    x = np.asarray(x)
    notes = []
    if x.dtype.kind not in "uif" or x.ndim not in (3, 4):
        raise UsageError(
            f"{key} must be numbers of shape (images, height, width, channels). Received: "
            f"{x.dtype} of shape {x.shape}."
        )
    if x.ndim == 3:
        x = x[..., None]
    if x.shape[-1] not in (1, 3) and x.shape[1] in (1, 3):
        x = np.moveaxis(x, 1, -1)
        notes.append("channels came first: moved to the end")
    if x.shape[-1] not in (1, 3) or 0 in x.shape:
        raise UsageError(
            f"{key} must have images with 1 or 3 channels. Received: shape {x.shape}, of (images, "
            "height, width, channels)."
        )
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        first = int(np.argwhere(~np.isfinite(x))[0, 0])
        raise UsageError(
            f"{key} must hold finite numbers. Received: NaN or infinity in {key}[{first}]."
        )
    low, high = x.min(), x.max()
    if x.dtype.kind == "f" and low >= 0 and high <= 1:
        x, high = x * 255, high * 255
        notes.append("images were in [0, 1]: multiplied by 255")
    elif x.dtype == np.uint16 and high > 255:
        x, high = x / 257, high / 257
        notes.append("images had 16 bits: divided by 257")
    if low < 0 or high > 255:
        raise UsageError(
            f"{key} must be in [0, 255], or floats in [0, 1]. Received: from {low:g} to {high:g}. "
            "Undo the normalization: the network brings its own."
        )
    return np.round(x).astype("uint8"), notes


def _numbers(y: np.ndarray, key: str) -> np.ndarray:
    """Labels of shape (images,), or 0 and 1 of shape (images, labels)."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim not in (1, 2) or y.dtype.kind not in ("iufbUS" if y.ndim == 1 else "iufb"):
        raise UsageError(
            f"{key} must be a label an image, or 0 and 1 for each label. Received: {y.dtype} of "
            f"shape {y.shape}."
        )
    if y.dtype.kind == "f" and not (np.isfinite(y).all() and (y == np.round(y)).all()):
        raise UsageError(f"{key} must hold whole numbers. Received: {y.dtype} with others.")
    if y.ndim == 2 and not np.isin(y, (0, 1)).all():
        raise UsageError(f"{key} must hold 0 and 1 for each label. Received: {np.unique(y)[:5]}.")
    return y if y.dtype.kind in "US" else y.astype("int64")


def _task(
    y: np.ndarray, names: np.ndarray | None, source: str
) -> tuple[np.ndarray, Task, list[str]]:
    if y.ndim == 2 and (y.sum(axis=1) != 1).any():
        names = [str(i) for i in range(y.shape[1])] if names is None else list(map(str, names))
        _check_names(names, y.shape[1], source)
        return y.astype(bool), Task(tuple(names), multilabel=True), []
    notes = []
    if y.ndim == 2:
        names = range(y.shape[1]) if names is None else names
        y = y.argmax(axis=1)
        notes.append("labels were one-hot: read as one label an image")
    if names is not None:
        names = [str(name) for name in names]
        _check_names(names, int(y.max()) + 1 if y.dtype.kind == "i" else 0, source)
        if y.dtype.kind == "i" and y.min() >= 0:
            return y, Task(tuple(names)), notes
    values, numbers = np.unique(y, return_inverse=True)
    if len(values) < 2:
        raise UsageError(f"{source} must have at least two labels. Received: {values[:1]}.")
    if y.dtype.kind == "i" and (values[0] != 0 or values[-1] != len(values) - 1):
        notes.append(f"labels were not 0 to {len(values) - 1}: numbered anew, by their order")
    return numbers, Task(tuple(str(value) for value in values)), notes


def _check_names(names: Sequence[str], count: int, source: str) -> None:
    if len(names) < count or len(set(names)) < len(names):
        raise UsageError(
            f"names in {source} must be a name of its own for each of {count} labels. Received: "
            f"{', '.join(names[:10])}."
        )
