"""Images that a program has in its hands: arrays, a tf.data.Dataset, a PyDataset, by part."""

import inspect
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tl_strategies.data.in_memory import Part, list_arrays, read_names
from tl_strategies.data.listing import Listing
from tl_strategies.data.pixels import as_array, image_blocks
from tl_strategies.data.split import PARTS
from tl_strategies.errors import UsageError

FIELDS = {
    "images": ("image", "images", "x"),
    "labels": ("label", "labels", "y"),
    "weights": ("weight", "weights", "sample_weight", "w"),
}
MOST_IMAGES = 60_000  # read of a data set that does not tell its length
MOST_BYTES = 2**33
AT_ONCE = 256  # images read, where they come one by one


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
    names = {
        part: read_names(given.class_names, f"class_names of {part}")
        for part, given in parts.items()
        if getattr(given, "class_names", None) is not None
    }
    if len(set(map(tuple, names.values()))) > 1:
        received = "; ".join(f"{part} {', '.join(found[:10])}" for part, found in names.items())
        raise UsageError(f"class_names of all parts must be the same. Received: {received}.")
    read = {part: _read(given, part) for part, given in parts.items()}
    return list_arrays(read, "data", next(iter(names.values()), None))


def _read(given: Any, part: str) -> Part:
    if isinstance(given, tf.data.Dataset):
        return _read_dataset(given, part)
    if isinstance(given, keras.utils.PyDataset):
        return _read_py_dataset(given, part)
    if isinstance(given, tuple | dict):
        x, y, w = _fields(given, part)
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
    raise UsageError(
        f"data of {part} must be a tuple of images and labels, and weights where there are any; a "
        f"tf.data.Dataset; or a keras.utils.PyDataset. Received: {received}."
    )


def _fields(element: Any, part: str) -> tuple[Any, Any, Any]:
    """Images, labels, and weights or None, of an element or of its specification.

    An element is a tuple or list of these, or a dictionary with each under one key of FIELDS.
    """
    received = f"a {type(element).__name__}"
    if isinstance(element, tuple | list):
        if len(element) in (2, 3):
            return (*element, None)[:3]
        received += f" of {len(element)}"
    elif isinstance(element, dict):
        found = [[key for key in names if key in element] for names in FIELDS.values()]
        if [len(keys) for keys in found] in ([1, 1, 0], [1, 1, 1]):
            return tuple(element[keys[0]] if keys else None for keys in found)
        received += f" of {', '.join(map(str, element))}"
    raise UsageError(
        f"data of {part} must give tuples of images and labels, and where there are any weights, "
        f"or dictionaries with one key of {', '.join(FIELDS['images'])} and one of "
        f"{', '.join(FIELDS['labels'])}. Received: {received}."
    )


def _read_dataset(dataset: tf.data.Dataset, part: str) -> Part:
    """The elements of a tf.data.Dataset, batched or not."""
    cardinality = int(dataset.cardinality())
    if cardinality == tf.data.INFINITE_CARDINALITY:
        raise UsageError(
            f"data of {part} must end. Received: a tf.data.Dataset of infinite cardinality. Leave "
            "out repeat(), or end it by take(count)."
        )
    specs = _fields(dataset.element_spec, part)
    for spec in specs:
        if not isinstance(spec, tf.TensorSpec | None):
            raise UsageError(
                f"data of {part} must have dense tensors for images, labels and weights. Received: "
                f"{type(spec).__name__}. Images of several sizes may come one an element; make "
                "labels dense by tf.sparse.to_dense or to_tensor."
            )
    batches = _batches(dataset, specs, part)
    return _collect(batches, part, bounded=cardinality == tf.data.UNKNOWN_CARDINALITY)


def _read_py_dataset(dataset: keras.utils.PyDataset, part: str) -> Part:
    try:
        count = dataset.num_batches
    except NotImplementedError as error:
        raise UsageError(
            f"data of {part} must tell its number of batches. Received: {error}"
        ) from error
    if count is None or count == float("inf"):
        raise UsageError(
            f"data of {part} must end. Received: a PyDataset with num_batches {count}. Let it be "
            "the number of batches that go once through the images."
        )
    return _collect((_fields(dataset[i], part) for i in range(count)), part, bounded=False)


def _batches(
    dataset: tf.data.Dataset, specs: tuple[tf.TensorSpec | None, ...], part: str
) -> Iterable[Sequence[Any]]:
    """Images, labels and weights by batches: the elements, or what one by one makes up."""
    dtype = specs[1].dtype
    elements = _elements(dataset, part)
    if all(spec is None or spec.shape.rank is not None for spec in specs):
        x, y = (tuple(spec.shape) for spec in specs[:2])
    else:
        first = [*itertools.islice(elements, 1)]
        elements = itertools.chain(first, elements)
        x, y = map(np.shape, first[0][:2]) if first else ((), ())
    if _is_batched(x, y, dtype, part):
        return elements
    if all(spec is None or spec.shape.is_fully_defined() for spec in specs):
        return _elements(dataset.batch(AT_ONCE), part)
    return ([None if value is None else [value] for value in element] for element in elements)


def _elements(dataset: tf.data.Dataset, part: str) -> Iterator[tuple]:
    try:
        for element in dataset.as_numpy_iterator():
            yield _fields(element, part)
    except tf.errors.OpError as error:
        lines = re.sub(r"{{.*?}} ", "", error.message).splitlines()  # without the node's name
        reason = lines[0] if lines else type(error).__name__
        raise UsageError(f"data of {part} must be readable. Received: {reason}") from error


def _is_batched(x: tuple, y: tuple, dtype: tf.DType, part: str) -> bool:
    """Whether elements are batches, by the shapes of images and labels and the labels' dtype."""
    if len(x) != 3 or len(y) != 1:
        return len(x) > 3 or (len(x) == 3 and len(y) > 1)
    if x[-1] in (1, 3) or x[0] != y[0]:  # one color image, and its row of 0 and 1
        return False
    if x[0] == 3 and dtype.is_floating:
        raise UsageError(
            f"data of {part} must tell three gray images from one with its channels first. "
            f"Received: images of shape {x} and labels of shape {y}. Give images a last axis of "
            "channels."
        )
    return True  # of gray images


def _collect(batches: Iterable[Sequence[Any]], part: str, bounded: bool) -> Part:
    """All batches as one part; of one that may never end, no more than the bound."""
    blocks, labels, weights = [], [], []
    count = size = 0
    for x, y, w in batches:
        found = image_blocks(x, f"x_{part}")
        images = sum(map(len, found))
        for key, values, into in (("y", y, labels), ("w", w, weights)):
            if values is None:
                continue
            rows = values if isinstance(values, list) else list(as_array(values, f"{key}_{part}"))
            if len(rows) != images:
                raise UsageError(
                    f"{key}_{part} must have a row for each image in every batch. Received: "
                    f"{len(rows)} for {images}."
                )
            into += rows
        blocks += found
        count += images
        size += sum(block.nbytes for block in found)
        if bounded and (count > MOST_IMAGES or size > MOST_BYTES):
            raise UsageError(
                f"data of {part} must end, or tell its length. Received: a tf.data.Dataset of "
                f"unknown cardinality, with more than {MOST_IMAGES} images or {MOST_BYTES >> 30} "
                "GiB. End it by take(count), or tell its length: "
                "apply(tf.data.experimental.assert_cardinality(count))."
            )
    if weights and len(weights) != count:
        raise UsageError(
            f"w_{part} must be given in every batch, or in none. Received: {len(weights)} for "
            f"{count} images."
        )
    return Part(blocks, labels, weights or None)
