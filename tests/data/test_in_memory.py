"""Labels in memory: text is text however it comes, and what is missing is no class."""

import ml_dtypes
import numpy as np
import pytest

import tl_strategies as tl
from tl_strategies.data.in_memory import read_labels, read_names, read_task, read_weights

LABELS = np.arange(12) % 3
TEXTS = np.array(["élm", "ash", "oak"])[LABELS]


def task(y, names=None):
    return read_task(read_labels(y, "y"), names, "data")


@pytest.mark.parametrize(
    ("y", "names", "note"),
    [
        (LABELS, ("0", "1", "2"), False),
        ([*LABELS], ("0", "1", "2"), False),
        (LABELS.astype(object), ("0", "1", "2"), False),
        (LABELS.astype("uint8"), ("0", "1", "2"), False),
        (LABELS.astype(ml_dtypes.bfloat16), ("0", "1", "2"), False),
        (LABELS.astype("float32")[:, None], ("0", "1", "2"), False),
        (LABELS + 5, ("5", "6", "7"), True),
        (np.eye(3)[LABELS], ("0", "1", "2"), True),
        (np.eye(3, dtype=bool)[LABELS], ("0", "1", "2"), True),
        ([*np.eye(3)[LABELS]], ("0", "1", "2"), True),
    ],
)
def test_numbers(y, names, note):
    numbers, found, notes = task(y)
    assert found == tl.Task(names)
    assert bool(notes) == note
    np.testing.assert_array_equal(numbers, LABELS)


@pytest.mark.parametrize(
    "y",
    [
        TEXTS,
        TEXTS[:, None],
        TEXTS.astype(object),
        TEXTS.astype(np.dtypes.StringDType()),
        np.char.encode(TEXTS, "utf-8"),
        np.char.encode(TEXTS, "utf-8").astype(object),
        [*TEXTS],
        TEXTS.tolist(),
        [text.encode() for text in TEXTS.tolist()],
        [*TEXTS[:, None]],
    ],
)
def test_text(y):
    numbers, found, _ = task(y)
    assert found == tl.Task(("ash", "oak", "élm"))
    assert [found.names[number] for number in numbers] == TEXTS.tolist()


def test_several_labels_an_image():
    y = np.stack([LABELS == 0, LABELS < 2], axis=1)
    numbers, found, _ = task(y, ["red", "green"])
    assert found == tl.Task(("red", "green"), multilabel=True)
    np.testing.assert_array_equal(numbers, y)


def test_names():
    names = np.array([b"ash", "\u00e9lm".encode(), b"oak"], "S")
    assert task(LABELS, read_names(names, "names"))[1] == tl.Task(("ash", "élm", "oak"))
    for wrong in ([["ash"]], [0.5], "ash", [b"\xff"]):
        with pytest.raises(tl.UsageError, match=r"names|Text must be in UTF-8"):
            read_names(wrong, "names")
    for y, few in ((LABELS, ["a", "b"]), (LABELS, ["a", "a", "b"]), (TEXTS, ["a", "b", "c"])):
        with pytest.raises(tl.UsageError, match=r"names in data must be|Labels must have names of"):
            task(y, few)


def at_3(value, y=LABELS, dtype=object):
    y = y.astype(dtype)
    y[3] = value
    return y


@pytest.mark.parametrize(
    ("y", "received"),
    [
        (at_3(-1, dtype="int64"), "= -1"),
        (at_3(-1, dtype="int8"), "= -1"),
        (at_3(-1.0, dtype="float32")[:, None], "= -1"),
        (at_3(np.nan, dtype="float32"), "= nan"),
        (at_3(np.nan), "= nan"),
        (at_3(None), "= None"),
        (at_3("", TEXTS), "= ''"),
        (at_3("", TEXTS, "U9"), "= ''"),
        (at_3(b" ", TEXTS), "= b' '"),
        (at_3(None, TEXTS), "= None"),
        (at_3(np.nan, TEXTS), "= nan"),
        (at_3(np.nan, TEXTS).tolist(), "= nan"),
        (at_3(7, TEXTS).tolist(), "= 7"),
    ],
)
def test_a_missing_label_is_no_class(y, received):
    with pytest.raises(tl.UsageError) as error:
        task(y)
    assert f"y[3] {received}" in str(error.value)
    assert "Leave out the images" in str(error.value)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.ma.masked_equal(LABELS, 2), "y must have all its values"),
        (LABELS + 0.5, "y must hold whole"),
        (np.full(12, np.inf), "y must hold whole"),
        (np.full(12, 2**63, "uint64"), "y must hold whole"),
        (np.full(12, 1e300), "y must hold whole"),
        (np.full((12, 3), 2), "y must hold 0 and 1"),
        (np.full((12, 2), -1), "y must hold 0 and 1"),
        (np.array(1), "y must be a label an image"),
        (np.array(None), "y must be a label an image"),
        (np.zeros((12, 4, 4)), "y must be a label an image"),
        (np.array(TEXTS)[:, None].repeat(2, axis=1), "y must be a label an image"),
        (LABELS.astype("datetime64[s]"), "y must be a label an image"),
        ([[1], [1, 2]], "y must be an array"),
        (at_3(b"\xff", TEXTS), r"UTF-8.*y\[3\]"),
        ({"a": LABELS}, "y must be a label an image"),
        (LABELS * 0, "at least two labels"),
        (["ash"] * 12, "at least two labels"),
    ],
)
def test_what_is_no_label(y, message):
    with pytest.raises(tl.UsageError, match=message):
        task(y)


@pytest.mark.parametrize(
    "w", [np.arange(3), [[0.0], [1.0], [2.0]], np.arange(3.0, dtype="float16")]
)
def test_weights(w):
    weights = read_weights(w, "w", 3)
    assert weights.dtype == np.float32
    np.testing.assert_array_equal(weights, [0, 1, 2])


@pytest.mark.parametrize(
    ("w", "message"),
    [
        ([1, -1, 1], r"w\[1\] = -1"),
        ([1, np.nan, 1], r"w\[1\] = nan"),
        ([1, 1e300, 1], r"w\[1\] = inf"),
        ([0, 0, 0], "only 0"),
        ([1, 1], "each of 3 images"),
        (np.ones((3, 2)), "each of 3 images"),
        (["1", "1", "1"], "must be a number"),
        (np.ma.masked_equal([1, 2, 3], 2), "all its values"),
    ],
)
def test_what_is_no_weight(w, message):
    with pytest.raises(tl.UsageError, match=message):
        read_weights(w, "w", 3)
