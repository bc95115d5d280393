"""Augmentation in the input pipeline: each view of an image is fixed by the view's key."""

from typing import Any

import numpy as np
import tensorflow as tf

from tl_strategies.errors import UsageError

AREA = (0.5, 1.0)  # of the image that a crop keeps
ASPECT = (3 / 4, 4 / 3)  # of the crop before it is stretched to a square
JITTER = 0.4  # most that brightness, contrast and saturation are multiplied by, up or down
SIDE = 2 / 3  # of the fixed views that are crops: 4/9 of the area
ANGLE = np.pi / 12  # of those that are turned
FIXED_VIEWS = 16  # the image, five crops, two turned ones, and each of these mirrored


def augment(policy: str, images: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Augmented images.

    Args:
        policy: "flip" (left to right, every second time), "standard" (a crop too), or "strong"
            (brightness, contrast and saturation too).
        images: uint8 of shape (count, height, width, 3).
        keys: a digest for each view in hexadecimal, which seeds what happens to it.

    Returns:
        uint8 of the same shape; a view does not depend on its neighbours.
    """
    draws = [np.random.default_rng(int(key, 16)) for key in keys]
    boxes = np.array([_box(rng, crop=policy != "flip") for rng in draws], "float32")
    with tf.device("CPU"):
        out = tf.image.crop_and_resize(
            tf.constant(images), boxes, np.arange(len(images)), images.shape[1:3]
        )
        if policy == "strong":
            factors = [rng.uniform(1 - JITTER, 1 + JITTER, 3) for rng in draws]
            out = _colours(out, np.array(factors, "float32").T[..., None, None, None])
        return tf.cast(tf.round(tf.clip_by_value(out, 0, 255)), "uint8").numpy()


def fixed_views(images: np.ndarray, views: np.ndarray) -> np.ndarray:
    """Views of Razavian et al. (2014), the same for each image.

    Args:
        images: uint8 of shape (count, height, width, 3).
        views: which one of FIXED_VIEWS each image becomes; 0 is the image itself.

    Returns:
        uint8 of the same shape.
    """
    far = 1 - SIDE
    corners = [(0, 0), (far / 2, far / 2), (0, 0), (0, far), (far, 0), (far, far), (0, 0), (0, 0)]
    kinds, mirrored = views // 2, views % 2 == 1
    sides = np.where((kinds > 0) & (kinds < 6), SIDE, 1.0)
    top, left = np.array(corners)[kinds].T
    right = left + sides
    edges = (top, np.where(mirrored, right, left), top + sides, np.where(mirrored, left, right))
    angles = ANGLE * (np.int64(kinds == 6) - np.int64(kinds == 7))
    height, width = images.shape[1:3]
    with tf.device("CPU"):
        boxes = tf.constant(np.stack(edges, axis=1), "float32")
        out = tf.image.crop_and_resize(images, boxes, np.arange(len(images)), (height, width))
        out = tf.raw_ops.ImageProjectiveTransformV3(
            images=out,
            transforms=tf.constant(_rotations(angles, height, width), "float32"),
            output_shape=(height, width),
            fill_value=255.0,
            interpolation="BILINEAR",
        )
        return tf.cast(tf.round(tf.clip_by_value(out, 0, 255)), "uint8").numpy()


def _rotations(angles: np.ndarray, height: int, width: int) -> np.ndarray:
    """Projective transforms, of shape (angles, 8), that turn an image about its middle."""
    cosines, sines = np.cos(angles), np.sin(angles)
    x, y, zeros = (width - 1) / 2, (height - 1) / 2, np.zeros(len(angles))
    shift_x, shift_y = x - cosines * x + sines * y, y - sines * x - cosines * y
    return np.stack([cosines, -sines, shift_x, sines, cosines, shift_y, zeros, zeros], axis=1)


def augment_by_layers(given: Any, images: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Images augmented by a Keras layer, or by several one after the other; see `augment`.

    Each image, as floats in [0, 255], is alone in its batch; what is drawn begins from its key.
    """
    chain = list(given) if isinstance(given, list | tuple) else [given]
    leaves = [leaf for layer in chain for leaf in layer._flatten_layers()]
    generators = [one for leaf in leaves for one in getattr(leaf, "_seed_generators", ())]
    out = np.empty_like(images)
    for i, key in enumerate(keys):
        draws = np.random.default_rng(int(key, 16))
        for generator in generators:
            generator.state.assign(np.array([draws.integers(2**31), 0], "int64"))
        image = tf.constant(images[i : i + 1], "float32")
        for layer in chain:
            image = layer(image, training=True)
        if image.shape != (1, *images.shape[1:]):
            raise UsageError(
                f"augment must leave images as large as they are. Received: {image.shape[1:]} from "
                f"{images.shape[1:]}."
            )
        out[i] = np.asarray(tf.round(tf.clip_by_value(image, 0, 255)))[0]
    return out


def _box(rng: np.random.Generator, crop: bool) -> tuple[float, float, float, float]:
    """Top, left, bottom, right as parts of the image; a flipped box has left and right swapped."""
    flip = rng.random() < 0.5
    top, left, height, width = 0.0, 0.0, 1.0, 1.0
    if crop:
        area, aspect = rng.uniform(*AREA), np.exp(rng.uniform(*np.log(ASPECT)))
        height, width = min(1.0, np.sqrt(area / aspect)), min(1.0, np.sqrt(area * aspect))
        top, left = rng.uniform(0, 1 - height), rng.uniform(0, 1 - width)
    sides = (left + width, left) if flip else (left, left + width)
    return top, sides[0], top + height, sides[1]


def _colours(images, factors):
    brightness, contrast, saturation = factors
    images = images * brightness
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    images = (images - mean) * contrast + mean
    gray = tf.reduce_mean(images, axis=3, keepdims=True)
    return (images - gray) * saturation + gray
