"""Images in memory: read as they are meant, or refused with the name of the array."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tl_strategies as tl
from tl_strategies.data.arrays import list_data, list_npz

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3)).astype("uint8")
IMAGES[0, 0, 0] = 0, 255, 7
LABELS = np.arange(12) % 3


def first(listing):
    return next(listing.contents.read(np.array([0])))


@pytest.mark.parametrize(
    ("x", "note"),
    [
        (IMAGES, ""),
        (IMAGES.astype("float32"), ""),
        (IMAGES.astype("int64"), ""),
        (IMAGES / 255, r"in \[0, 1\]"),
        ((IMAGES.astype("uint16") * 257), "16 bits"),
        (np.moveaxis(IMAGES, -1, 1), "channels came first"),
        (np.moveaxis(IMAGES, -1, 1) / 255, "channels came first"),
    ],
)
def test_images_are_read_as_they_are_meant(x, note):
    listing = list_data((x, LABELS))
    np.testing.assert_array_equal(first(listing), IMAGES[0])
    assert first(listing).dtype == np.uint8
    assert bool(listing.notes) == bool(note)
    if note:
        with pytest.raises(AssertionError, match=note):
            raise AssertionError(" ".join(listing.notes))


@pytest.mark.parametrize("x", [IMAGES[..., 0], IMAGES[..., :1]])
def test_gray_images(x):
    np.testing.assert_array_equal(first(list_data((x, LABELS))), IMAGES[0, ..., :1])


@pytest.mark.parametrize(
    ("y", "names", "note"),
    [
        (LABELS, ("0", "1", "2"), False),
        (LABELS.astype("float32")[:, None], ("0", "1", "2"), False),
        (LABELS + 5, ("5", "6", "7"), True),
        (LABELS * 2 - 1, ("-1", "1", "3"), True),
        (np.array(["b", "a", "c"])[LABELS], ("a", "b", "c"), False),
        (np.eye(3)[LABELS], ("0", "1", "2"), True),
    ],
)
def test_labels_are_read_as_they_are_meant(y, names, note):
    listing = list_data((IMAGES, y))
    assert listing.task == tl.Task(names)
    assert bool(listing.notes) == note
    same = LABELS[:, None] == LABELS
    np.testing.assert_array_equal(listing.labels[:, None] == listing.labels, same)


def test_several_labels_an_image():
    y = np.stack([LABELS == 0, LABELS < 2], axis=1)
    listing = list_data((IMAGES, y))
    assert listing.task == tl.Task(("0", "1"), multilabel=True)
    np.testing.assert_array_equal(listing.labels, y)


def test_an_npz_file(tmp_path):
    file = tmp_path / "data.npz"
    arrays = {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES[:6], "y_test": LABELS[:6]}
    np.savez(file, **arrays, names=np.array(["cat", "dog", "owl"]))
    listing = list_npz(file)
    assert listing.task.names == ("cat", "dog", "owl")
    assert list(listing.parts) == ["train"] * 12 + ["test"] * 6
    assert listing.paths[12] == "test/000000"


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, number):
        rows = slice(4 * number, 4 * number + 4)
        return IMAGES[rows], LABELS[rows]


@pytest.mark.parametrize(
    "make",
    [
        lambda: (IMAGES, LABELS),
        lambda: tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)),
        lambda: tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(5),
        lambda: Batches(),
        lambda: {"train": (IMAGES, LABELS)},
        lambda: (list(IMAGES), list(LABELS)),
    ],
)
def test_what_a_program_may_give(make):
    listing = list_data(make())
    assert len(listing.paths) == 12
    np.testing.assert_array_equal(first(listing), IMAGES[0])
    np.testing.assert_array_equal(listing.labels, LABELS)


def test_images_of_several_sizes():
    dataset = tf.data.Dataset.from_generator(
        lambda: ((IMAGES[i, : 4 + i % 3], LABELS[i]) for i in range(12)),
        output_signature=(tf.TensorSpec((None, 8, 3), "uint8"), tf.TensorSpec((), "int64")),
    )
    listing = list_data(dataset)
    assert {image.shape for image in listing.contents.read(np.arange(12))} == {
        (4, 8, 3),
        (5, 8, 3),
        (6, 8, 3),
    }


NAN = np.where(np.arange(12)[:, None, None, None] == 7, np.nan, IMAGES)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_train": IMAGES}, "x_train and y_train"),
        ({"x_train": IMAGES, "y_train": LABELS[:5]}, "y_train must have a label for each"),
        ({"x_train": IMAGES, "y_train": np.array([{}] * 12)}, "y_train .* array of numbers"),
        ({"x_train": NAN, "y_train": LABELS}, r"x_train\[7\]"),
        ({"x_train": IMAGES - 128.0, "y_train": LABELS}, "x_train must be in"),
        ({"x_train": IMAGES * 2.0, "y_train": LABELS}, "x_train must be in"),
        ({"x_train": IMAGES[..., :2], "y_train": LABELS}, "x_train must have images with 1 or 3"),
        ({"x_train": IMAGES[0, 0], "y_train": LABELS}, "x_train must be numbers of shape"),
        ({"x_train": IMAGES.astype("S1"), "y_train": LABELS}, "x_train must be numbers"),
        ({"x_train": IMAGES, "y_train": LABELS + 0.5}, "y_train must hold whole"),
        ({"x_train": IMAGES, "y_train": np.full((12, 3), 2)}, "y_train must hold 0 and 1"),
        ({"x_train": IMAGES, "y_train": LABELS * 0}, "at least two labels"),
        ({"x_train": IMAGES, "y_train": LABELS, "names": np.array(["a"])}, "names in"),
        (
            {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES, "y_test": np.eye(3)[LABELS]},
            "Labels of all parts",
        ),
    ],
)
def test_what_is_wrong_names_its_array(tmp_path, arrays, message):
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(tl.UsageError, match=message):
        list_npz(tmp_path / "data.npz")


def test_what_is_no_file_or_no_data(tmp_path):
    (tmp_path / "text.npz").write_text("text")
    for name in ("text.npz", "none.npz"):
        with pytest.raises(tl.UsageError, match=r"must be an \.npz file"):
            list_npz(tmp_path / name)
    for data in ({"validation": (IMAGES, LABELS)}, {"training": 1}, 3, (1, 2, 3)):
        with pytest.raises(tl.UsageError, match=r"^data"):
            list_data(data)


def test_fit(backbone, tmp_path):
    run = tl.fit(
        "partial",
        n=2,
        data={
            "train": (np.repeat(IMAGES, 2, 0), np.repeat(LABELS, 2)),
            "test": (255 - IMAGES, LABELS),
        },
        backbone=backbone,
        epochs=1,
        run_dir=tmp_path / "run",
        cache="off",
    )
    assert "validation" in run.metrics
    rows = (run.directory / "predictions.csv").read_text().splitlines()
    assert rows[-1].startswith("test/000011,2,")
