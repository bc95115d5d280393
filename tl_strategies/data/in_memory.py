"""Images, labels and weights in memory, part by part: what they mean, and what cannot be one."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tl_strategies.data.contents import Arrays
from tl_strategies.data.listing import Listing
from tl_strategies.data.pixels import as_array, to_uint8
from tl_strategies.errors import UsageError
from tl_strategies.task import Task


class Part(NamedTuple):
    """What a part has, as it came: see `image_blocks`, `read_labels`, `read_weights`."""

    blocks: list[np.ndarray]
    labels: Any
    weights: Any = None


def list_arrays(
    parts: dict[str, Part],
    source: str,
    names: Sequence[str] | None = None,
    notes: Sequence[str] = (),
) -> Listing:
    """List images in memory by part; without a part but "train", they are split.

    Source is what to call them; names are those of labels that are numbers from 0; notes say what
    was done already. Messages call what belongs to a part x_part, y_part and w_part.
    """
    counts = {part: sum(map(len, given.blocks)) for part, given in parts.items()}
    for part, count in counts.items():
        if not count:
            raise UsageError(f"x_{part} must have images. Received: none.")
    labels = {part: read_labels(given.labels, f"y_{part}") for part, given in parts.items()}
    for part, count in counts.items():
        if len(labels[part]) != count:
            raise UsageError(
                f"y_{part} must have a label for each image of x_{part}. Received: "
                f"{len(labels[part])} for {count}."
            )
    if len({(y.ndim, y.shape[1:], y.dtype.kind) for y in labels.values()}) > 1:
        received = ", ".join(f"y_{part} {y.dtype} {y.shape}" for part, y in labels.items())
        raise UsageError(f"Labels of all parts must be alike. Received: {received}.")
    images, scaled = to_uint8({f"x_{part}": given.blocks for part, given in parts.items()})
    numbers, task, renumbered = read_task(np.concatenate([*labels.values()]), names, source)
    weights = [
        np.ones(counts[part], "float32")
        if given.weights is None
        else read_weights(given.weights, f"w_{part}", counts[part])
        for part, given in parts.items()
    ]
    weighted = any(given.weights is not None for given in parts.values())
    return Listing(
        source=source,
        paths=tuple(f"{part}/{i:06}" for part, count in counts.items() for i in range(count)),
        labels=numbers,
        task=task,
        contents=Arrays([image for found in images.values() for image in found]),
        parts=np.repeat([*counts], [*counts.values()]) if len(parts) > 1 else None,
        weights=np.concatenate(weights) if weighted else None,
        notes=(*notes, *scaled, *renumbered),
    )


def read_labels(y: Any, key: str) -> np.ndarray:
    """Labels as int64 or text of shape (images,), or as 0 and 1 of shape (images, labels).

    They come as integers (floats too where they are whole), or text as str or bytes in UTF-8, of
    shape (images,) or (images, 1); or as 0 and 1. None may be missing: NaN, None, masked, below 0.
    """
    array = as_array(y, key)
    if isinstance(y, list) and array.dtype.kind in "US":
        array = np.array(y, object)  # NumPy spells NaN and numbers among texts
    y = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if y.dtype.kind in "OSUT" and y.ndim == 1:
        y = _texts(y, key)
    if y.ndim not in (1, 2) or y.dtype.kind not in ("iufbU" if y.ndim == 1 else "iufb"):
        raise UsageError(
            f"{key} must be a label an image, or 0 and 1 for each label. Received: {y.dtype} of "
            f"shape {y.shape}."
        )
    return y if y.dtype.kind == "U" else _whole(y, key)


def _texts(y: np.ndarray, key: str) -> np.ndarray:
    """Texts as dtype U; numbers that came as objects, as numbers."""
    values = y.tolist()
    text = any(isinstance(value, str | bytes) for value in values)
    kinds = str | bytes if text else int | float | np.number | np.bool_
    for i, value in enumerate(values):
        if not isinstance(value, kinds) or (not value.strip() if text else value != value):
            raise _missing(key, i, value)
        values[i] = _decoded(value, f"{key}[{i}]")
    return np.array(values)


def _decoded(value: Any, which: str) -> Any:
    """The text in bytes; anything else as it is."""
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError as error:
        raise UsageError(f"Text must be in UTF-8. Received: {which} = {value!r}.") from error


def _whole(y: np.ndarray, key: str) -> np.ndarray:
    if y.dtype.kind == "f" and np.isnan(y).any():
        raise _missing(key, int(np.argwhere(np.isnan(y))[0, 0]), np.nan)
    with np.errstate(invalid="ignore"):  # what is too large is found by the comparison
        numbers = y.astype("int64")
    if (numbers != y).any():
        wrong = y[numbers != y][0]
        raise UsageError(f"{key} must hold whole numbers. Received: {y.dtype} with {wrong}.")
    if y.ndim == 2 and not np.isin(numbers, (0, 1)).all():
        raise UsageError(f"{key} must hold 0 and 1 for each label. Received: {np.unique(y)[:5]}.")
    if (numbers < 0).any():
        first = int(np.argmax(numbers < 0))
        raise _missing(key, first, int(numbers[first]))
    return numbers


def _missing(key: str, i: int, value: object) -> UsageError:
    return UsageError(
        f"{key} must have a label for each image: numbers from 0, or text. Received: {key}[{i}] = "
        f"{value!r}. Leave out the images without a label, or give them one with a name of its own."
    )


def read_weights(w: Any, key: str, count: int) -> np.ndarray:
    """Weights of so many images in the loss, of shape (images,) or (images, 1), as float32."""
    array = as_array(w, key)
    if array.dtype.kind not in "iufb" or array.shape not in ((count,), (count, 1)):
        raise UsageError(
            f"{key} must be a number for each of {count} images. Received: {array.dtype} of shape "
            f"{array.shape}."
        )
    with np.errstate(over="ignore"):  # infinity is found below
        weights = array.reshape(count).astype("float32")
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(wrong) or not weights.any():
        received = f"{key}[{wrong[0]}] = {weights[wrong[0]]}" if len(wrong) else "only 0"
        raise UsageError(
            f"{key} must be weights of at least 0, and not all 0. Received: {received}."
        )
    return weights


def read_names(names: Any, key: str) -> list[str]:
    """Names of labels that are numbers, from an array or a list of text or numbers."""
    array = as_array(names, key)
    if array.ndim != 1 or array.dtype.kind not in "OSUTiu":
        raise UsageError(
            f"{key} must be text, a name a label. Received: {array.dtype} of shape {array.shape}."
        )
    return [str(_decoded(name, f"{key}[{i}]")) for i, name in enumerate(array.tolist())]


def read_task(
    y: np.ndarray, names: Sequence[str] | None, source: str
) -> tuple[np.ndarray, Task, list[str]]:
    """The labels of all images as in a Listing, the task, and what was done to the labels."""
    notes = []
    if y.ndim == 2:
        names = [*map(str, range(y.shape[1]))] if names is None else names
        if (y.sum(axis=1) != 1).any():
            _check_names(names, y.shape[1], source)
            return y.astype(bool), Task(tuple(names), multilabel=True), notes
        y = y.argmax(axis=1)
        notes.append("labels were one-hot: read as one label an image")
    values, numbers = np.unique(y, return_inverse=True)
    if len(values) < 2:
        raise UsageError(f"{source} must have at least two labels. Received: {values[:1]}.")
    if names is None:
        if y.dtype.kind == "i" and values[-1] != len(values) - 1:
            notes.append(f"labels were not 0 to {len(values) - 1}: numbered anew, by their order")
        return numbers, Task(tuple(map(str, values))), notes
    if y.dtype.kind == "U":
        raise UsageError(
            f"names in {source} must be those of labels that are numbers. Received: text labels. "
            "Leave names out."
        )
    _check_names(names, int(values[-1]) + 1, source)
    return y, Task(tuple(names)), notes


def _check_names(names: Sequence[str], count: int, source: str) -> None:
    if len(names) < max(count, 2):
        raise UsageError(
            f"names in {source} must be a name of its own for each of {count} labels. Received: "
            f"{', '.join(names[:10])}."
        )
