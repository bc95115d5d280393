"""Heat maps: which places of an image speak for the label that a model gives it.

Where the head is linear after average pooling they are class activation maps (Zhou et al. 2016),
whose mean and the bias are the label's score before softmax. Else, and behind a unit that is named,
they are Grad-CAM's (Selvaraju et al. 2017), which are never negative.
"""

import dataclasses
import io
import itertools
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tl_strategies.backbones.units import cut_tensors, find_depth, find_units, graph_nodes
from tl_strategies.data.decode import Source, content_box, decode_images, padded
from tl_strategies.errors import UsageError
from tl_strategies.evaluation.predict import Predictor, in_batches
from tl_strategies.files import atomic_write
from tl_strategies.image_size import ImageSize
from tl_strategies.output import OURS
from tl_strategies.settings.schema import require
from tl_strategies.tracking.figures import overlay

SIDE = 512  # pixels, the longer side of a map at most
BATCH = 16  # a low unit's gradient needs what all units above it have computed
NAME_BYTES = 150  # of a file's name, to which a number and a mark may be added


@dataclasses.dataclass(frozen=True)
class Heatmap:
    """Which places of an image speak for its likeliest label.

    Attributes:
        values: float32 of shape (height, width): the image's own, or of at most SIDE pixels a side.
        image: uint8 of shape (height, width, 3): the image, upright and on white, at that size.
        label: the likeliest one.
        probabilities: float32 of shape (labels,).
    """

    values: np.ndarray
    image: np.ndarray
    label: str
    probabilities: np.ndarray

    def overlay(self) -> np.ndarray:
        """The image under its map: uint8 of shape (height, width, 3)."""
        return overlay(self.image, self.values)


class Explainer:
    """Makes heat maps by the model of one run.

    Args:
        predictor: has that model.
        unit: the name or the depth of the unit whose output is looked at; None for the last place
            in the model that has height and width.

    Raises:
        UsageError: there are several models, no such unit, or no such place.
    """

    def __init__(self, predictor: Predictor, unit: int | str | None = None):
        if len(predictor.models) > 1:
            raise UsageError(
                f"Heat maps must be of one model. Received: {len(predictor.models)}. Name one run, "
                "or one fold of a run, such as RUN/fold1."
            )
        self._predictor, (model,) = predictor, predictor.models
        self._size = tuple(model.inputs[0].shape[1:3])
        batch = tf.TensorSpec(model.inputs[0].shape, "float32")
        self._explain = tf.function(make_explain(model, unit), [batch], jit_compile=False)

    def stream(self, sources: Iterable[Source]) -> Iterator[Heatmap | str]:
        """The heat map of each image, or why it cannot be read; sources as `Predictor.stream`'s."""
        decoded = decode_images(sources, self._size, _with_itself)
        return in_batches(decoded, self._batch, BATCH)

    def _batch(self, items: list[tuple]) -> Iterator[Heatmap]:
        batch = np.stack([fitted for fitted, _, _ in items]).astype("float32")
        probabilities, maps = (tensor.numpy() for tensor in self._explain(batch))
        self._predictor.check(probabilities)
        coarse, fine = np.tile(maps.shape[:0:-1], 2), np.tile(self._size[::-1], 2)
        for (_, image, box), row, values in zip(items, probabilities, maps, strict=True):
            values = upsampled(values, image, tuple(box * coarse / fine))
            yield Heatmap(values, image, self._predictor.labels[row.argmax()], row)


def _with_itself(image: Image.Image, size: ImageSize) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An image padded for the model; the same at its map's size; its place in the padding."""
    fitted, box = padded(image, size), np.array(content_box(*image.size, size))
    image.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC)
    return fitted, np.asarray(image), box


def make_explain(
    model: keras.Model, unit: int | str | None = None
) -> Callable[[np.ndarray], tuple[tf.Tensor, tf.Tensor]]:
    """A function from a batch of images to probabilities and maps of the likeliest labels.

    The maps are as coarse as the features, of shape (batch, rows, columns). One pass makes both.

    Raises:
        UsageError: there is no such unit, or nothing that has height and width.
    """
    last = graph_nodes(model)[-1]
    tensor = _features(model, unit)
    is_linear = unit is None and _pooled(last) is tensor
    before, scores_of = _scoring(last)
    prefix = keras.Model(model.inputs[0], tensor)
    suffix = keras.Model(tensor, [before, model.outputs[0]])

    def explain(batch: np.ndarray) -> tuple[tf.Tensor, tf.Tensor]:
        features = prefix(tf.convert_to_tensor(batch), training=False)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(features)
            inner, probabilities = suffix(features, training=False)
            label = tf.argmax(probabilities, axis=1)
            score = tf.gather(scores_of(inner), label, batch_dims=1)
        if is_linear:
            pooled = tf.reduce_mean(features, axis=(1, 2))  # the head may scale it to unit length
            scale = tf.math.divide_no_nan(tf.norm(inner, axis=1), tf.norm(pooled, axis=1))
            weights = tf.gather(tf.transpose(last.operation.kernel), label) * scale[:, None]
        else:
            weights = tf.reduce_mean(tape.gradient(score, features), axis=(1, 2))
        maps = tf.einsum("bhwk,bk->bhw", features, weights)
        return probabilities, maps if is_linear else tf.nn.relu(maps)

    return explain


def _scoring(last) -> tuple[keras.KerasTensor, Callable[[tf.Tensor], tf.Tensor]]:
    """What the last node reads, and how scores come from it: what is before softmax or sigmoid."""
    read = last.parent_nodes[0].outputs[0]
    if isinstance(last.operation, layers.Dense):
        return read, lambda inner: inner @ last.operation.kernel
    if isinstance(last.operation, layers.Activation | layers.Softmax):
        return read, tf.identity
    return layers.Identity(dtype="float32")(last.outputs[0]), tf.math.log


def _pooled(last) -> keras.KerasTensor | None:
    """The features whose mean over all places, scaled or not, is what a last Dense layer reads."""
    node = last.parent_nodes[0]
    while isinstance(node.operation, layers.Dropout | layers.UnitNormalization):
        node = node.parent_nodes[0]
    kinds = type(last.operation), type(node.operation)
    is_linear = kinds == (layers.Dense, layers.GlobalAveragePooling2D)
    return node.parent_nodes[0].outputs[0] if is_linear else None


def _features(model: keras.Model, unit: int | str | None) -> keras.KerasTensor:
    """The last tensor with features of several places, in the whole model or in a unit of it."""
    cuts = {tensor._keras_history.operation.name: tensor for tensor in cut_tensors(model)}
    maps = {n: t for n, t in cuts.items() if len(t.shape) == 4 and t.shape[1] * t.shape[2] > 1}
    if not maps:
        raise UsageError(
            "Heat maps must be of units with height and width. Received: a network without any."
        )
    if unit is None:
        return [*maps.values()][-1]
    units = [row for row in find_units(model) if maps.keys() & {*row.layers}]
    depth = find_depth(unit, units, "unit")
    require("unit", depth > 0, "a unit's name, or its depth from 1 on", unit)
    return [maps[name] for name in units[depth - 1].layers if name in maps][-1]


def upsampled(values: np.ndarray, image: np.ndarray, box: tuple | None = None) -> np.ndarray:
    """A coarse map, or what lies in a box (left, top, right, bottom) of it, at an image's size."""
    size = image.shape[1::-1]
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BICUBIC, box))


def save_heatmap(heatmap: Heatmap, path: str, directory: pathlib.Path) -> None:
    """Write the overlay, NAME.png, and NAME.npz: map, label, probability, and the image's path.

    NAME is that of the image's file, with a number where something else has it.
    """
    arrays, info, name = io.BytesIO(), PngInfo(), pathlib.Path(path).stem
    info.add_text(*OURS)
    probability = heatmap.probabilities.max()
    np.savez(arrays, map=heatmap.values, label=heatmap.label, probability=probability, path=path)
    name = os.fsdecode(os.fsencode(name)[:NAME_BYTES])
    for end in itertools.chain([""], (f"-{number}" for number in itertools.count(2))):
        picture, table = (directory / f"{name}{end}{kind}" for kind in (".png", ".npz"))
        if table.is_file() and table.read_bytes() == arrays.getvalue():
            return
        if not (os.path.lexists(picture) or os.path.lexists(table)):
            break
    with atomic_write(picture) as aside:
        Image.fromarray(heatmap.overlay()).save(aside, format="png", pnginfo=info)
    with atomic_write(table) as aside:
        aside.write_bytes(arrays.getvalue())
