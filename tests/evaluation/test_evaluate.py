"""The texts that a run writes about its predictions."""

import csv
import types

import numpy as np

from tl_strategies.evaluation.evaluate import predictions_csv
from tl_strategies.task import Task


def test_labels_are_no_formulas():
    """Numbers are none either; what is read back has nothing but the sign before it."""
    names = ("=1+1", "-1", "cat")
    listing = types.SimpleNamespace(
        task=Task(names), paths=["a", "b", "c"], label_text=lambda position: names[position]
    )
    images = types.SimpleNamespace(listing=listing, positions=lambda part: np.arange(3))
    text = predictions_csv(images, {"test": np.eye(3, dtype="float32")[::-1]})
    header, *rows = csv.reader(text.splitlines())
    assert header == ["path", "label", "predicted", "part", "'=1+1", "-1", "cat"]
    assert [row[1:3] for row in rows] == [["'=1+1", "cat"], ["-1", "-1"], ["cat", "'=1+1"]]
