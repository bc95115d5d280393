"""Images that a program has in its hands: arrays, a tf.data.Dataset, a PyDataset, by part."""

import inspect
from typing import Any

import keras
import tensorflow as tf

from tl_strategies.data.array_labels import read_names
from tl_strategies.data.array_parts import Part, list_arrays
from tl_strategies.data.datasets import fields, read_dataset, read_py_dataset
from tl_strategies.data.listing import Listing
from tl_strategies.data.pixels import image_blocks
from tl_strategies.data.split import PARTS
from tl_strategies.errors import UsageError

KINDS = (
    "a tuple of images and labels, and weights where there are any; a tf.data.Dataset; or a "
    "keras.utils.PyDataset"
)


def list_data(data: Any) -> Listing:
    """List images that a program has.

    Args:
        data: images and labels, and weights in the loss where there are any: a tuple of arrays, or
            a finite tf.data.Dataset or keras.utils.PyDataset of such tuples; or a dictionary of any
            of these by part: "train", and where there are any "validation" and "test". They are
            read once, and held in memory. Images have the shape (images, height, width, 1 or 3) or
            (images, height, width), or are a list of images of any sizes; their values are in
            [0, 255], or floats in [0, 1]. Labels are one number or text an image, or one number for
            each label: one-hot, or, where an image has several labels, 0 and 1. `class_names`, as
            keras.utils.image_dataset_from_directory sets them, name the labels.

    Raises:
        UsageError: it is not as it must be.
    """
    parts = data if isinstance(data, dict) else {"train": data}
    if "train" not in parts or not parts.keys() <= set(PARTS):
        raise UsageError(
            f"data must have the parts train, and where there are any validation and test. "
            f"Received: {', '.join(map(str, parts)) or 'none'}."
        )
    names = _class_names(parts)
    return list_arrays({part: _read(given, part) for part, given in parts.items()}, "data", names)


def _read(given: Any, part: str) -> Part:
    if isinstance(given, tf.data.Dataset):
        return read_dataset(given, part)
    if isinstance(given, keras.utils.PyDataset):
        return read_py_dataset(given, part)
    if isinstance(given, tuple | dict):
        x, y, w = fields(given, part)
        if isinstance(x, tf.data.Dataset | keras.utils.PyDataset):
            raise UsageError(
                f"data of {part} must be one data set. Received: a tuple of them. Name the parts: "
                '{"train": …, "validation": …}.'
            )
        return Part(image_blocks(x, f"x_{part}"), y, w)
    received = type(given).__name__
    if inspect.isgenerator(given):
        received += ". Give it to tf.data.Dataset.from_generator, with an output_signature"
    elif isinstance(given, list):
        received += ". Make it a tuple"
    raise UsageError(f"data of {part} must be {KINDS}. Received: {received}.")


def _class_names(parts: dict[str, Any]) -> list[str] | None:
    given = {
        part: read_names(data.class_names, f"class_names of {part}")
        for part, data in parts.items()
        if getattr(data, "class_names", None) is not None
    }
    if any(names != next(iter(given.values())) for names in given.values()):
        raise UsageError(
            "class_names of all parts must be the same. Received: "
            + "; ".join(f"{part} {', '.join(names[:10])}" for part, names in given.items())
            + "."
        )
    return next(iter(given.values()), None)
