"""Labels are checked in one place, whatever the data comes from."""

import csv

import numpy as np
import pytest

import tl_strategies as tl
from tl_strategies.data.sources import list_dataset

ODD = ["", " cat", "cat ", "c\nat", "c\rat", "c\tat", "c\0at", "c\u2028at", "\x85", "c\udcffat"]


@pytest.mark.parametrize("multilabel", [False, True])
@pytest.mark.parametrize("name", ODD)
def test_what_a_label_must_be(name, multilabel):
    with pytest.raises(tl.UsageError, match="A label must be printable text on one line"):
        tl.Task((name, "dog"), multilabel)


def test_labels_differ():
    with pytest.raises(tl.UsageError, match="'cat' twice"):
        tl.Task(("cat", "dog", "cat"))
    assert tl.Task(("Cat", "cat", "größe 猫")).label_count == 3


def dataset(kind, tmp_path, name):
    """Six images of two classes, one of which has a name."""
    tmp_path.mkdir(exist_ok=True)
    labels = [name, "dog"] * 3
    if kind == "folder":
        for i, label in enumerate(labels):
            (tmp_path / "photos" / label).mkdir(parents=True, exist_ok=True)
            (tmp_path / "photos" / label / f"{i}.png").touch()
        return f"folder:{tmp_path / 'photos'}"
    if kind == "npz":
        images = np.zeros((6, 4, 4, 3), "uint8")
        np.savez(tmp_path / "data.npz", x_train=images, y_train=np.array(labels))
        return f"npz:{tmp_path / 'data.npz'}"
    with (tmp_path / "data.csv").open("w", newline="") as file:
        column = "labels" if kind == "several" else "label"
        rows = [(f"{i}.png", label) for i, label in enumerate(labels)]
        csv.writer(file).writerows([("path", column), *rows])
    return f"csv:{tmp_path / 'data.csv'}"


@pytest.mark.parametrize("kind", ["folder", "csv", "several", "npz"])
@pytest.mark.parametrize("name", ["c\nat", "c\x1bat"])
def test_every_source_is_checked(tmp_path, kind, name):
    assert "cat" in list_dataset(dataset(kind, tmp_path / "good", "cat")).task.names
    with pytest.raises(tl.UsageError, match="A label must be printable"):
        list_dataset(dataset(kind, tmp_path, name))
