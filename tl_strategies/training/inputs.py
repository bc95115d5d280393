"""What goes into the network: images of a part, or several augmented views of each."""

import dataclasses
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from tl_strategies.data.augment import (
    FIXED_VIEWS,
    augment,
    augment_by_layers,
    fixed_views,
)
from tl_strategies.data.images import Images
from tl_strategies.settings.objects import describe
from tl_strategies.settings.run import Settings
from tl_strategies.store.rows import LazyRows

KEPT_VIEWS = 4  # of each training image, where features are stored and no count is given


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Images with one row a view: view 0 of all images, then view 1 of all, and so on."""

    array: LazyRows  # `array[rows]` gives images, uint8 of shape (rows, height, width, 3)
    keys: np.ndarray  # a digest for each row, of dtype S32
    labels: np.ndarray  # of the images of one view, as in a Listing
    weights: np.ndarray  # of the images of one view in the loss, float32
    views: int

    @property
    def images(self) -> int:
        """How many images each view has."""
        return len(self.labels)

    def targets(self, count: int) -> np.ndarray:
        """One-hot, or 0 and 1 for each label: float32 of shape (images, count)."""
        if self.labels.ndim == 2:
            return self.labels.astype("float32")
        return np.eye(count, dtype="float32")[self.labels]


def same_views(settings: Settings) -> Settings:
    """Settings by which every transfer depth sees as many augmented views."""
    if settings.augment == "none" or settings.views is not None:
        return settings
    if settings.augment == "crops16":
        return dataclasses.replace(settings, views=FIXED_VIEWS)
    most = settings.epochs if settings.cache == "off" else KEPT_VIEWS
    return dataclasses.replace(settings, views=min(most, settings.epochs))


def fitted_inputs(images: Images, settings: Settings, kept: bool) -> dict[str, Inputs]:
    """Training and validation images, the former augmented where that is asked for.

    Where features are not kept, every epoch has a view of its own.
    """
    inputs = {part: part_inputs(images, part) for part in ("train", "validation")}
    if settings.augment == "crops16":
        views = min(settings.views or FIXED_VIEWS, FIXED_VIEWS)
        inputs["train"] = _fixed(inputs["train"], views)
    elif settings.augment != "none":
        views = settings.views or min(KEPT_VIEWS if kept else settings.epochs, settings.epochs)
        inputs["train"] = _augmented(inputs["train"], settings.augment, views, settings.seed)
    return inputs


def part_inputs(images: Images, part: str) -> Inputs:
    """The images of a part, as they are."""
    return inputs_at(images, images.positions(part))


def inputs_at(images: Images, positions: np.ndarray) -> Inputs:
    """The images at positions in the listing, as they are."""
    array = LazyRows(
        lambda rows: images[positions[rows]], (len(positions), *images.array.shape[1:]), "uint8"
    )
    given = images.listing.weights
    weights = np.ones(len(positions), "float32") if given is None else given[positions]
    return Inputs(array, images.keys[positions], images.listing.labels[positions], weights, 1)


def _augmented(plain: Inputs, policy: Any, views: int, seed: int) -> Inputs:
    named = isinstance(policy, str)
    name, change = (policy, augment) if named else (describe(policy), augment_by_layers)
    texts = [
        f"{key.decode()} {name} {seed} {view} 1" for view in range(views) for key in plain.keys
    ]
    return _viewed(plain, texts, views, lambda images, keys, _: change(policy, images, keys))


def _fixed(plain: Inputs, views: int) -> Inputs:
    texts = [f"{key.decode()} crops16 {view} 1" for view in range(views) for key in plain.keys]
    return _viewed(plain, texts, views, lambda images, _, chosen: fixed_views(images, chosen))


def _viewed(plain: Inputs, texts: list[str], views: int, change: Callable) -> Inputs:
    """Views of images by what changes them, of keys made from texts."""
    digests = [hashlib.blake2b(text.encode(), digest_size=16).hexdigest() for text in texts]
    keys = np.array(digests, "S32")

    def rows_of(rows: np.ndarray) -> np.ndarray:
        return change(plain.array[rows % plain.images], keys[rows], rows // plain.images)

    array = LazyRows(rows_of, (len(keys), *plain.array.shape[1:]), "uint8")
    return dataclasses.replace(plain, array=array, keys=keys, views=views)
