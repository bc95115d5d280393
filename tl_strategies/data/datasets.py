"""A tf.data.Dataset or a PyDataset to arrays in memory, by the structure that its elements have."""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tl_strategies.data.array_like import as_array
from tl_strategies.data.array_parts import Part
from tl_strategies.data.pixels import image_blocks
from tl_strategies.errors import UsageError

MOST_IMAGES = 60_000  # read of a data set that does not tell its length
MOST_BYTES = 2**33
AT_ONCE = 256  # images read, where they come one by one
FIELDS = {
    "images": ("image", "images", "x"),
    "labels": ("label", "labels", "y"),
    "weights": ("weight", "weights", "sample_weight", "w"),
}


def fields(element: Any, part: str) -> tuple[Any, Any, Any]:
    """Images, labels, and weights or None, of an element or of its specification.

    Args:
        element: a tuple or list of these, or a dictionary with each under one key of FIELDS.
        part: its name.

    Raises:
        UsageError: it is not such.
    """
    if isinstance(element, tuple | list) and len(element) in (2, 3):
        return (*element, None)[:3]
    received = f"a {type(element).__name__}"
    if isinstance(element, tuple | list):
        received += f" of {len(element)}"
    if isinstance(element, dict):
        found = [[key for key in names if key in element] for names in FIELDS.values()]
        if [len(keys) for keys in found] in ([1, 1, 0], [1, 1, 1]):
            return tuple(element[keys[0]] if keys else None for keys in found)
        received += f" of {', '.join(map(str, element))}"
    raise UsageError(
        f"data of {part} must give tuples of images and labels, and where there are any weights, "
        f"or dictionaries with one key of {', '.join(FIELDS['images'])} and one of "
        f"{', '.join(FIELDS['labels'])}. Received: {received}."
    )


def read_dataset(dataset: tf.data.Dataset, part: str) -> Part:
    """The elements of a tf.data.Dataset, batched or not.

    Args:
        dataset: of tuples of images, labels and where there are any weights, or of dictionaries
            with these under a key of FIELDS.
        part: its name.

    Raises:
        UsageError: its elements are not such, it does not end, or has more than MOST_IMAGES images
            or MOST_BYTES bytes without a cardinality.
    """
    cardinality = int(dataset.cardinality())
    if cardinality == tf.data.INFINITE_CARDINALITY:
        raise UsageError(
            f"data of {part} must end. Received: a tf.data.Dataset of infinite cardinality. Leave "
            "out repeat(), or end it by take(count)."
        )
    specs = fields(dataset.element_spec, part)
    for spec in specs:
        if not isinstance(spec, tf.TensorSpec | None):
            raise UsageError(
                f"data of {part} must have dense tensors for images, labels and weights. Received: "
                f"{type(spec).__name__}. Images of several sizes may come one an element; make "
                "labels dense by tf.sparse.to_dense or to_tensor."
            )
    batches = _batches(dataset, specs, part)
    return _collect(batches, part, bounded=cardinality == tf.data.UNKNOWN_CARDINALITY)


def read_py_dataset(dataset: keras.utils.PyDataset, part: str) -> Part:
    """The batches of a PyDataset.

    Args:
        dataset: its batches are tuples or dictionaries, as the elements for `read_dataset`.
        part: its name.

    Raises:
        UsageError: its batches are not such, or it does not end.
    """
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
    return _collect((fields(dataset[i], part) for i in range(count)), part, bounded=False)


def _batches(
    dataset: tf.data.Dataset, specs: tuple[tf.TensorSpec | None, ...], part: str
) -> Iterable[Sequence[Any]]:
    """Images, labels and weights by batches: the elements, or what one by one makes up."""
    dtype = specs[1].dtype
    if all(spec is None or spec.shape.rank is not None for spec in specs):
        if _is_batched(*(tuple(spec.shape) for spec in specs[:2]), dtype, part):
            return _elements(dataset, part)
        if all(spec is None or spec.shape.is_fully_defined() for spec in specs):
            return _elements(dataset.batch(AT_ONCE), part)
        return _alone(_elements(dataset, part))
    elements = _elements(dataset, part)
    first = [*itertools.islice(elements, 1)]
    elements = itertools.chain(first, elements)
    if first and _is_batched(np.shape(first[0][0]), np.shape(first[0][1]), dtype, part):
        return elements
    return _alone(elements)


def _alone(elements: Iterable[tuple]) -> Iterator[list]:
    for element in elements:
        yield [None if value is None else [value] for value in element]


def _elements(dataset: tf.data.Dataset, part: str) -> Iterator[tuple]:
    try:
        for element in dataset.as_numpy_iterator():
            yield fields(element, part)
    except tf.errors.OpError as error:
        lines = re.sub(r"{{.*?}} ", "", error.message).splitlines()  # without the node's name
        reason = lines[0] if lines else type(error).__name__
        raise UsageError(f"data of {part} must be readable. Received: {reason}") from error


def _is_batched(x: tuple, y: tuple, dtype: tf.DType, part: str) -> bool:
    """Whether elements are batches.

    Args:
        x: the shape of an element's images; None where a dimension varies.
        y: that of its labels.
        dtype: of the labels.
        part: its name.

    Raises:
        UsageError: it may be either.
    """
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


def _collect(batches: Iterable[tuple], part: str, bounded: bool) -> Part:
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
