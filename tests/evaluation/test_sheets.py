"""Contact sheets say which image it is, what it should be, and where the model saw something."""

import types

import keras
import numpy as np
import pytest
from keras import layers

from tl_strategies.evaluation.sheets import trouble_sheets
from tl_strategies.task import Task
from tl_strategies.tracking.figures import CAPTION, figure_pixels

NAMES = ("cat", "a dog with a long name" + " and more" * 9, "日本語 $x$")


class Images(list):
    """As many images as there are labels, all in the test part."""

    def __init__(self, labels, multilabel=False):
        self.listing = types.SimpleNamespace(
            task=Task(NAMES, multilabel),
            labels=labels,
            paths=[f"folder/of {i}/photo {i}.jpg" for i in range(len(labels))],
            label_text=lambda i: (
                ";".join(np.array(NAMES)[labels[i]]) if multilabel else NAMES[labels[i]]
            ),
        )
        self.pixels = np.random.default_rng(0).integers(0, 255, (len(labels), 12, 8, 3), "uint8")

    def positions(self, part):
        return np.arange(len(self.pixels))

    def __getitem__(self, positions):
        return self.pixels[positions]


def network(places=True):
    inputs = keras.Input((12, 8, 3))
    x = layers.Conv2D(4, 2, 2)(inputs) if places else layers.Conv2D(4, (12, 8))(inputs)
    return keras.Model(inputs, layers.Dense(3, "softmax")(layers.GlobalAveragePooling2D()(x)))


def drawn(images, probabilities, model):
    """By name: the pictures on a sheet, and its texts without the title."""
    found = {}
    for name, figure in trouble_sheets(images, np.float32(probabilities), model):
        assert figure_pixels(figure).std() > 0  # a glyph that is missing would be a warning
        axes = figure.axes[0]
        pictures = [image.get_array() for image in axes.images]
        found[name] = pictures, [text.get_text() for text in axes.texts[1:]]
    return found


def test_the_worst_come_with_maps_and_names():
    labels = np.array([0, 1, 2, 0])
    probabilities = [[0.9, 0.1, 0], [0.99, 0.01, 0], [0, 0.45, 0.55], [0.2, 0.5, 0.3]]
    sheets = drawn(Images(labels), probabilities, network())
    pictures, texts = sheets["worst"]
    assert len(pictures) == 8
    for shown, i in zip(pictures[::2], (1, 3, 2, 0), strict=True):
        np.testing.assert_array_equal(shown, Images(labels).pixels[i])
    assert texts[1::2] == ["photo 1.jpg", "photo 3.jpg", "photo 2.jpg", "photo 0.jpg"]
    assert texts[2] == "cat 0.2\n→ a dog with a lo… 0.50"
    assert texts[0].split("\n")[0].endswith("… 0.01")
    pictures, texts = sheets["least certain"]
    assert len(pictures) == 4
    assert texts[0].endswith("→ 日本語 $x$ 0.55\nphoto 2.jpg") or "\\u65e5" in texts[0]
    assert all(len(line) <= CAPTION for text in texts for line in text.split("\n"))


@pytest.mark.parametrize("count", [1, 30])
def test_of_several_labels_and_of_few_or_many_images(count):
    labels = np.random.default_rng(0).random((count, 3)) > 0.5
    sheets = drawn(Images(labels, multilabel=True), np.full((count, 3), 0.4), network())
    assert {name: len(pictures) for name, (pictures, _) in sheets.items()} == {
        "worst": 2 * min(count, 24),
        "least certain": min(count, 24),
    }
    assert all("→ none 0.40" in text for text in sheets["least certain"][1])


def test_where_there_can_be_no_maps_there_are_the_images(capsys):
    sheets = drawn(Images(np.zeros(3, int)), np.eye(3), network(places=False))
    assert "no heat maps: Heat maps must be of units with" in capsys.readouterr().out
    pictures, texts = sheets["worst"]
    assert len(pictures) == 3
    assert [text.split("\n")[2] for text in texts] == ["photo 1.jpg", "photo 2.jpg", "photo 0.jpg"]
