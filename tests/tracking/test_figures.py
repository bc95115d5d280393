"""Figures have the right numbers in the right places."""

import itertools

import numpy as np
import pytest
from PIL import Image

from tl_strategies.tracking.figures import (
    confusion_figure,
    figure_pixels,
    save_figure,
    sheet_figure,
)


def test_a_confusion_matrix_reads_row_by_row(tmp_path):
    matrix = np.array([[5, 1, 0], [0, 7, 2], [0, 0, 3]])
    figure = confusion_figure(matrix, ("cat", "dog", "owl"), "three")
    axes = figure.axes[0]
    texts = {
        (text.get_position()[1], text.get_position()[0]): text.get_text() for text in axes.texts
    }
    assert texts == {(r, c): str(matrix[r, c]) for r, c in zip(*np.nonzero(matrix), strict=True)}
    assert axes.get_ylabel() == "true"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog", "owl"]
    save_figure(figure, tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as image:
        assert figure_pixels(figure).shape == (image.height, image.width, 4)


@pytest.mark.parametrize("count", [2, 60])
def test_few_and_many_labels_fit(count):
    names = [f"a rather $long_$name {i}" for i in range(count)]
    figure = confusion_figure(np.eye(count, dtype=int), names, "many")
    figure_pixels(figure)
    renderer = figure.canvas.get_renderer()
    boxes = [label.get_window_extent(renderer) for label in figure.axes[0].get_yticklabels()]
    assert min(box.x0 for box in boxes) >= 0
    tops = sorted(boxes, key=lambda box: box.y0)
    assert all(one.y1 <= other.y1 + 1 for one, other in itertools.pairwise(tops))
    assert all(one.y1 <= other.y0 + 4 for one, other in itertools.pairwise(tops))


@pytest.mark.parametrize("shape", [(20, 20), (20, 40), (40, 20)])
def test_images_on_a_sheet_keep_their_shape(shape):
    """A black image is drawn as wide and as high as it is, on white."""
    black = np.zeros((1, *shape, 3), "uint8")
    pixels = figure_pixels(sheet_figure(black, [""], "", columns=2))[60:, :, :3]
    rows, columns = (np.flatnonzero((pixels == 0).all(axis=2).any(axis=axis)) for axis in (1, 0))
    drawn = (rows[-1] - rows[0] + 1) / (columns[-1] - columns[0] + 1)
    assert drawn == pytest.approx(shape[0] / shape[1], rel=0.05)
