"""What a program has in its hands: listed as it is meant, or refused by the name of its part."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import tl_strategies as tl
from tl_strategies.data.arrays import list_data

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3)).astype("uint8")
LABELS = np.arange(12) % 3
TEXTS = np.array(["ash", "élm", "oak"])[LABELS]
WEIGHTS = np.linspace(0, 1, 12, dtype="float32")


@pytest.mark.parametrize(
    "data",
    [
        (IMAGES, LABELS),
        (list(IMAGES), list(LABELS)),
        (tf.constant(IMAGES), tf.constant(LABELS)),
        {"train": (IMAGES, LABELS)},
        {"train": {"image": IMAGES, "label": LABELS}},
        ([Image.fromarray(image) for image in IMAGES], LABELS),
    ],
)
def test_images_and_labels(data):
    listing = list_data(data)
    np.testing.assert_array_equal([*listing.contents.read(np.arange(12))], IMAGES)
    np.testing.assert_array_equal(listing.labels, LABELS)
    assert listing.parts is None
    assert listing.weights is None


def test_text_of_tensors():
    assert list_data((IMAGES, tf.constant(TEXTS))).task.names == ("ash", "oak", "élm")


def test_weights():
    np.testing.assert_array_equal(list_data((IMAGES, LABELS, WEIGHTS)).weights, WEIGHTS)
    listing = list_data({"train": (IMAGES, LABELS, WEIGHTS), "test": (IMAGES[:6], LABELS[:6])})
    np.testing.assert_array_equal(listing.weights, [*WEIGHTS, *np.ones(6)])
    with pytest.raises(tl.UsageError, match=r"w_test\[1\] = -1"):
        list_data({"train": (IMAGES, LABELS), "test": (IMAGES, LABELS, -WEIGHTS // 1)})


def test_parts():
    listing = list_data({"train": (IMAGES, LABELS), "test": (IMAGES[:6], LABELS[:6])})
    assert list(listing.parts) == ["train"] * 12 + ["test"] * 6
    assert listing.paths[12] == "test/000000"


@pytest.mark.parametrize("y", [TEXTS, np.eye(3)[LABELS], np.eye(4)[LABELS]])
def test_labels_of_all_parts_are_alike(y):
    other = np.eye(3)[LABELS] if y.shape[-1] == 4 else LABELS
    with pytest.raises(tl.UsageError, match=r"Labels of all parts .* y_train .* y_validation"):
        list_data({"train": (IMAGES, other), "validation": (IMAGES, y)})


def test_ranges_of_all_parts_are_alike():
    with pytest.raises(tl.UsageError, match=r"x_train .* from 0 to 1; x_test .* from 0 to 255"):
        list_data({"train": (IMAGES / 255, LABELS), "test": (IMAGES * 1.0, LABELS)})


DATASET = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"validation": (IMAGES, LABELS)}, "data must have the parts"),
        ({"train": (IMAGES, LABELS), "val": (IMAGES, LABELS)}, "data must have the parts"),
        ({}, r"data must have the parts .* Received: none"),
        ({"training": 1}, "data must have the parts"),
        (3, "data of train must be a tuple"),
        (IMAGES, "data of train must be a tuple .* ndarray"),
        ([IMAGES, LABELS], "data of train must be .* Make it a tuple"),
        (
            ((x, y) for x, y in zip(IMAGES, LABELS, strict=True)),
            "data of train must be a tuple .*generator.* output_signature",
        ),
        (iter(DATASET), "data of train must be a tuple"),
        ((DATASET, DATASET), "data of train must be one data set.*validation"),
        ({"train": (IMAGES, LABELS), "test": None}, "data of test must be"),
        ((IMAGES,), "data of train must give tuples .* a tuple of 1"),
        ((IMAGES, LABELS, WEIGHTS, 1), "data of train must give tuples .* a tuple of 4"),
        ((1, 2, 3), "x_train must be numbers"),
        (([], []), "x_train must have images"),
        ((IMAGES[:0], LABELS[:0]), "x_train must have images"),
        ((IMAGES, LABELS[:5]), "y_train must have a label for each .* 5 for 12"),
        ((IMAGES, {"a": LABELS}), "y_train must be a label an image"),
        ((IMAGES, LABELS - 1), r"y_train\[0\] = -1"),
        ((tf.ragged.constant([[1], [1, 2]]), [0, 1]), "x_train"),
        ((IMAGES, tf.sparse.from_dense(np.eye(12))), "y_train"),
    ],
)
def test_what_is_no_data(data, message):
    with pytest.raises(tl.UsageError, match=message):
        list_data(data)


@pytest.fixture
def photos(tmp_path):
    for i, image in enumerate(IMAGES):
        path = tmp_path / "photos" / TEXTS[i] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return tmp_path / "photos"


@pytest.mark.parametrize("mode", ["int", "categorical"])
def test_class_names_of_keras(photos, mode):
    dataset = keras.utils.image_dataset_from_directory(
        photos, label_mode=mode, image_size=(8, 8), batch_size=5, shuffle=False, verbose=False
    )
    listing = list_data({"train": dataset, "test": dataset.take(2)})
    assert listing.task == tl.Task(("ash", "oak", "élm"))
    assert listing.counts(np.arange(12)).tolist() == [4, 4, 4]
    other = keras.utils.image_dataset_from_directory(
        photos, class_names=["élm", "oak", "ash"], image_size=(8, 8), verbose=False
    )
    with pytest.raises(tl.UsageError, match="class_names of all parts must be the same"):
        list_data({"train": dataset, "test": other})


def test_fit(backbone, tmp_path):
    run = tl.fit(
        "partial",
        n=2,
        data={
            "train": (np.repeat(IMAGES, 2, 0), np.repeat(LABELS, 2), np.repeat(WEIGHTS, 2)),
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
    header, *rows = (run.directory / "split.csv").read_text().splitlines()
    assert header.endswith(",weight")
    assert float(rows[0].rpartition(",")[2]) == WEIGHTS[0]
