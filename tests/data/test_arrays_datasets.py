"""tf.data and PyDataset: the structure says what an element is; what never ends is refused."""

import keras
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

import tl_strategies as tl
from tl_strategies.data import arrays
from tl_strategies.data.arrays import list_data

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 8, 9, 3)).astype("uint8")
LABELS = np.arange(12) % 3
TEXTS = np.array(["ash", "élm", "oak"])[LABELS]
ONE_HOT = np.eye(3, dtype="float32")[LABELS]
WEIGHTS = np.linspace(0, 1, 12, dtype="float32")


def slices(*arrays):
    return tf.data.Dataset.from_tensor_slices(arrays)


def generated(x, y, x_shape, y_shape):
    """One element an image, of unknown length, with the shapes that are given."""
    return tf.data.Dataset.from_generator(
        lambda: zip(x, y, strict=True),
        output_signature=(tf.TensorSpec(x_shape, x.dtype), tf.TensorSpec(y_shape, y.dtype)),
    )


def assert_same(listing, x=IMAGES, labels=LABELS):
    x = x if x.ndim == 4 else x[..., None]
    np.testing.assert_array_equal([*listing.contents.read(np.arange(len(x)))], x)
    np.testing.assert_array_equal(listing.labels, labels)


GROUPINGS = {
    "one by one": lambda dataset: dataset,
    "batches": lambda dataset: dataset.batch(5),
    "batches of three": lambda dataset: dataset.batch(3),
    "whole batches": lambda dataset: dataset.batch(3, drop_remainder=True),
    "batches of one": lambda dataset: dataset.batch(1, drop_remainder=True),
    "one batch": lambda dataset: dataset.batch(12, drop_remainder=True),
    "unknown length": lambda dataset: dataset.filter(lambda *element: True).batch(3),
}


@pytest.mark.parametrize("grouping", GROUPINGS)
@pytest.mark.parametrize("x", [IMAGES, IMAGES[..., 0], IMAGES[..., :1]], ids=["rgb", "gray", "1"])
@pytest.mark.parametrize("y", [LABELS, LABELS[:, None], TEXTS, ONE_HOT], ids=lambda y: str(y.dtype))
def test_elements_of_any_grouping(grouping, x, y):
    listing = list_data(GROUPINGS[grouping](slices(x, y)))
    assert_same(listing, x, np.unique(TEXTS, return_inverse=True)[1] if y is TEXTS else LABELS)
    assert y is not TEXTS or listing.task.names == ("ash", "oak", "élm")


@pytest.mark.parametrize("y", [LABELS, ONE_HOT], ids=["numbers", "one-hot"])
@pytest.mark.parametrize("size", [None, 3, 5])
@pytest.mark.parametrize("x", [IMAGES, IMAGES[..., 0]], ids=["rgb", "gray"])
def test_unknown_shapes(x, size, y):
    dataset = generated(x, y, None, None)
    assert_same(list_data(dataset.batch(size) if size else dataset), x)


def test_sizes_that_vary():
    x = [IMAGES[i, : 4 + i % 3] for i in range(12)]
    dataset = tf.data.Dataset.from_generator(
        lambda: zip(x, ONE_HOT, strict=True),
        output_signature=(
            tf.TensorSpec((None, None, 3), "uint8"),
            tf.TensorSpec((None,), "float32"),
        ),
    )
    listing = list_data(dataset)
    assert [image.shape for image in listing.contents.read(np.arange(3))] == [
        (4, 9, 3),
        (5, 9, 3),
        (6, 9, 3),
    ]
    np.testing.assert_array_equal(listing.labels, LABELS)


@pytest.mark.parametrize("dtype", ["bool", "float16", ml_dtypes.bfloat16, "int64"])
def test_images_of_any_type(dtype):
    x = IMAGES > 100 if dtype == "bool" else (IMAGES // 64 * 64).astype(dtype)
    expected = x * np.uint8(255) if dtype == "bool" else x.astype("uint8")
    assert_same(list_data(slices(x, LABELS).batch(5)), expected)


def test_three_gray_images_or_one_with_its_channels_first():
    gray = slices(IMAGES[..., 0], LABELS.astype("float32")).batch(3, drop_remainder=True)
    first = slices(np.moveaxis(IMAGES, -1, 1), ONE_HOT)
    for dataset in (gray, first):
        with pytest.raises(tl.UsageError, match="three gray images from one"):
            list_data(dataset)
    assert_same(list_data(first.batch(3, drop_remainder=True)))
    assert_same(list_data(slices(np.moveaxis(IMAGES, -1, 1), LABELS)))
    four = np.arange(12) % 4
    assert_same(list_data(slices(np.moveaxis(IMAGES, -1, 1), np.eye(4)[four])), labels=four)


KEYS = [("image", "label"), ("images", "labels"), ("x", "y")]


@pytest.mark.parametrize("keys", KEYS)
def test_dictionaries(keys):
    names = dict(zip(keys, (IMAGES, LABELS), strict=True))
    dataset = tf.data.Dataset.from_tensor_slices({**names, "id": LABELS, "weight": WEIGHTS})
    listing = list_data(dataset.batch(5))
    assert_same(listing)
    np.testing.assert_array_equal(listing.weights, WEIGHTS)


@pytest.mark.parametrize("grouping", GROUPINGS)
def test_weights(grouping):
    listing = list_data({"train": GROUPINGS[grouping](slices(IMAGES, LABELS, WEIGHTS))})
    np.testing.assert_array_equal(listing.weights, WEIGHTS)


RAGGED = tf.RaggedTensor.from_row_lengths(IMAGES[:, 0].reshape(-1, 27), [1] * 12)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (tf.data.Dataset.from_tensor_slices(IMAGES), "must give tuples"),
        (tf.data.Dataset.from_tensor_slices((IMAGES,)), "must give tuples .* a tuple of 1"),
        (slices(IMAGES, LABELS, WEIGHTS, LABELS), "must give tuples .* a tuple of 4"),
        (
            tf.data.Dataset.from_tensor_slices({"photo": IMAGES, "label": LABELS}),
            "must give tuples .* of photo, label",
        ),
        (
            tf.data.Dataset.from_tensor_slices({"image": IMAGES, "label": LABELS, "y": LABELS}),
            "must give tuples .* of image, label, y",
        ),
        (slices({"a": IMAGES}, LABELS), "must have dense tensors .* dict"),
        (slices(IMAGES, {"a": LABELS}), "must have dense tensors .* dict"),
        (slices(RAGGED, LABELS), "must have dense tensors .* Ragged"),
        (slices(IMAGES, tf.sparse.from_dense(ONE_HOT)), "must have dense tensors .* Sparse"),
        (slices(IMAGES, LABELS).window(4), "must have dense tensors .* DatasetSpec"),
        (slices(TEXTS, LABELS), "x_train.* must be numbers"),
        (slices(IMAGES, LABELS).batch(2).batch(2), "x_train must be numbers of shape"),
        (slices(IMAGES, IMAGES[..., 0]).batch(2), "y_train must be a label an image"),
        (slices(IMAGES[None], LABELS[None, :5]), "y_train must have a row for each .* 5 for 12"),
        (slices(IMAGES, LABELS).take(0), "x_train must have images"),
        (slices(IMAGES, LABELS - 1).batch(5), r"y_train\[0\] = -1"),
        (slices(IMAGES, np.array([b"\xff", *b"abcdefghijk"])), r"UTF-8.*y_train\[0\]"),
        (slices(IMAGES, LABELS, WEIGHTS - 0.5), r"w_train\[0\] = -0.5"),
        (slices(IMAGES, LABELS).batch(5).repeat(), "infinite cardinality"),
        (slices(IMAGES, LABELS).shuffle(12).repeat().batch(5), "infinite cardinality"),
        (
            slices(IMAGES, LABELS).map(lambda x, y: (x[: y + 1], y)).batch(5),
            "must be readable. Received: Cannot add tensor",
        ),
    ],
)
def test_what_is_no_data_set_of_images_and_labels(dataset, message):
    with pytest.raises(tl.UsageError, match=message):
        list_data(dataset)


@pytest.mark.parametrize("bound", ["MOST_IMAGES", "MOST_BYTES"])
def test_what_does_not_tell_its_length_is_read_up_to_a_bound(monkeypatch, bound):
    dataset = slices(IMAGES, LABELS).batch(5).filter(lambda *element: True)
    count = {"MOST_IMAGES": len(IMAGES), "MOST_BYTES": IMAGES.nbytes}[bound]
    monkeypatch.setattr(arrays, bound, count)
    assert_same(list_data(dataset))
    endless = dataset.repeat().filter(lambda *element: True)
    with pytest.raises(tl.UsageError, match=r"unknown cardinality, with more than .* take"):
        list_data(endless)
    told = dataset.repeat(2).apply(tf.data.experimental.assert_cardinality(6))
    assert len(list_data(told).paths) == 24


class Batches(keras.utils.PyDataset):
    """Four images a batch, of arrays, in whatever a test puts around them."""

    def __init__(self, *arrays, form=tuple, batches=3):
        super().__init__()
        self.arrays, self.form, self.batches = arrays, form, batches

    @property
    def num_batches(self):
        return self.batches

    def __getitem__(self, number):
        return self.form(array[4 * number : 4 * number + 4] for array in self.arrays)


def with_names(values):
    return dict(zip(("image", "label", "weight"), values, strict=False))


@pytest.mark.parametrize("form", [tuple, list, with_names])
@pytest.mark.parametrize("convert", [np.asarray, list, tf.constant])
def test_batches_of_a_py_dataset(form, convert):
    arrays = (IMAGES[..., 0], TEXTS, WEIGHTS)
    dataset = Batches(*arrays, form=lambda values: form(convert(value) for value in values))
    listing = list_data(dataset)
    assert_same(listing, IMAGES[..., 0], np.unique(TEXTS, return_inverse=True)[1])
    np.testing.assert_array_equal(listing.weights, WEIGHTS)


def test_what_no_py_dataset_may_give():
    class Sometimes(Batches):
        def __getitem__(self, number):
            return super().__getitem__(number)[: 3 - number % 2]

    class Unfinished(keras.utils.PyDataset):
        def __getitem__(self, number):
            return IMAGES, LABELS

    for dataset, message in (
        (Batches(IMAGES, LABELS, batches=None), "must end"),
        (Batches(IMAGES, LABELS, batches=float("inf")), "must end"),
        (Batches(IMAGES, LABELS, batches=0), "must have images"),
        (Batches(IMAGES), "must give tuples"),
        (Batches(IMAGES, LABELS[:10]), "y_train must have a row for each .* 2 for 4"),
        (Sometimes(IMAGES, LABELS, WEIGHTS), "w_train must be given in every batch"),
        (Unfinished(), "must tell its number of batches"),
    ):
        with pytest.raises(tl.UsageError, match=message):
            list_data(dataset)
