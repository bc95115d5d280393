"""Labels and weights in memory: what they mean, and what cannot be one."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tl_strategies.data.array_like import as_array
from tl_strategies.errors import UsageError
from tl_strategies.task import Task

NO_LABEL = "Leave out the images without a label, or give them one with a name of its own."


def read_labels(y: Any, key: str) -> np.ndarray:
    """Labels as integers or text of shape (images,), or as 0 and 1 of shape (images, labels).

    Args:
        y: integers (floats too where they are whole), or text as str or bytes in UTF-8, of shape
            (images,) or (images, 1); or 0 and 1 of shape (images, labels).
        key: what to call them.

    Returns:
        int64, or str of dtype U.

    Raises:
        UsageError: they are not such labels, or one is missing: NaN, None, masked, below 0 or an
            empty text.
    """
    array = as_array(y, key)
    if isinstance(y, list) and array.dtype.kind in "US":
        array = np.array(y, object)  # NumPy spells NaN and numbers among texts
    y = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if y.dtype.kind in "OSUT":
        y = _texts(y, key) if y.ndim == 1 else y
    if y.ndim not in (1, 2) or y.dtype.kind not in ("iufbU" if y.ndim == 1 else "iufb"):
        raise UsageError(
            f"{key} must be a label an image, or 0 and 1 for each label. Received: {y.dtype} of "
            f"shape {y.shape}."
        )
    return y if y.dtype.kind == "U" else _whole(y, key)


def _texts(y: np.ndarray, key: str) -> np.ndarray:
    """Texts as dtype U; numbers that came as objects, as numbers."""
    values = y.tolist()
    if not any(isinstance(value, str | bytes) for value in values):
        for i, value in enumerate(values):
            if not isinstance(value, int | float | np.number | np.bool_) or value != value:
                raise _missing(key, i, value)
        return np.array(values)
    for i, value in enumerate(values):
        if not isinstance(value, str | bytes) or not value.strip():
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
        f"{value!r}. {NO_LABEL}"
    )


def read_weights(w: Any, key: str, count: int) -> np.ndarray:
    """Weights of images in the loss.

    Args:
        w: numbers of shape (images,) or (images, 1).
        key: what to call them.
        count: of the images.

    Returns:
        float32 of shape (images,).

    Raises:
        UsageError: they are not finite numbers of at least 0, one for each image, or all 0.
    """
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
    """Names of labels that are numbers, from an array or a list.

    Raises:
        UsageError: they are not text or numbers, one after the other.
    """
    array = as_array(names, key)
    if array.ndim != 1 or array.dtype.kind not in "OSUTiu":
        raise UsageError(
            f"{key} must be text, a name a label. Received: {array.dtype} of shape {array.shape}."
        )
    return [str(_decoded(name, f"{key}[{i}]")) for i, name in enumerate(array.tolist())]


def read_task(
    y: np.ndarray, names: Sequence[str] | None, source: str
) -> tuple[np.ndarray, Task, list[str]]:
    """The task that labels ask for.

    Args:
        y: labels of all images; see `read_labels`.
        names: of the labels, where they are numbers from 0.
        source: what to call all of them.

    Returns:
        Labels as in a Listing, the task, and what was done to the labels.

    Raises:
        UsageError: there are fewer than two labels, or names are missing or not different.
    """
    notes = []
    if y.ndim == 2 and (y.sum(axis=1) != 1).any():
        names = [*map(str, range(y.shape[1]))] if names is None else names
        _check_names(names, y.shape[1], source)
        return y.astype(bool), Task(tuple(names), multilabel=True), notes
    if y.ndim == 2:
        names = [*map(str, range(y.shape[1]))] if names is None else names
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
