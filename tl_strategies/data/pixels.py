"""Images in memory, of any type of numbers, to uint8: what they mean is decided once for all."""

import collections
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from tl_strategies.errors import UsageError

SIXTEEN = 65535 / 255  # levels of 16 bits for one of 8
TWELVE = 4095  # the highest level of 12 bits
KINDS = {"f": "floats", "b": "booleans", "u": "integers", "i": "integers"}
PLAIN = ("1", "L", "RGB", "I", "F", "I;16", "I;16L", "I;16B")  # Pillow's whose numbers count

Blocks = dict[str, list[np.ndarray]]  # arrays with images of one size each, by what to call them


def as_array(value: Any, key: str) -> np.ndarray:
    """What NumPy can read: a list, a tensor of another library; bfloat16 becomes float32."""
    if np.ma.is_masked(value):
        raise UsageError(
            f"{key} must have all its values. Received: {np.ma.count_masked(value)} masked. Fill "
            "them, or leave out their images."
        )
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # rows differ, or the library refuses
        raise UsageError(
            f"{key} must be an array, or what NumPy makes one of. Received: "
            f"{type(value).__name__}: {error}."
        ) from error
    return array.astype("float32") if array.dtype.name == "bfloat16" else array


def image_blocks(x: Any, key: str) -> list[np.ndarray]:
    """Images as arrays of numbers, each with images of one size: an array whole, a list by image.

    An array has the shape (images, height, width) or (images, height, width, channels); a list is
    of such images, Pillow's among them, of one size or several.
    """
    if isinstance(x, list | tuple) or (str(getattr(x, "dtype", "")) == "object" and np.ndim(x)):
        return [_numbers(image, f"{key}[{i}]", 2)[None] for i, image in enumerate(x)]
    return [_numbers(x, key, 3)]


def _numbers(x: Any, key: str, rank: int) -> np.ndarray:
    if isinstance(x, Image.Image) and x.mode not in PLAIN:
        raise UsageError(
            f"{key} must be in color or gray. Received: an image in Pillow's mode {x.mode}. "
            "Convert it: image.convert('RGB')."
        )
    array = as_array(x, key)
    if array.dtype.kind not in KINDS or array.ndim not in (rank, rank + 1):
        shape = ("images, " if rank == 3 else "") + "height, width, channels"
        raise UsageError(
            f"{key} must be numbers of shape ({shape}). Received: {array.dtype} of shape "
            f"{array.shape}."
        )
    return array


def to_uint8(parts: Blocks) -> tuple[Blocks, list[str]]:
    """Images as uint8 with their channels last, on one scale for the whole data set.

    Floats in [0, 1] are multiplied by 255, uint16 above 255 are 16 bits, true is white; anything
    else is meant as it is, in [0, 255]. Returns images of shape (height, width, 1 or 3), by part,
    and what was done for that.
    """
    shapes = [block.shape for blocks in parts.values() for block in blocks if block.ndim == 4]
    first = all(shape[1] in (1, 3) for shape in shapes)
    first = first and any(shape[-1] not in (1, 3) for shape in shapes)
    notes = ["channels came first: moved to the end"] if first else []
    parts = {
        key: [_channels_last(block, first, key) for block in blocks]
        for key, blocks in parts.items()
    }
    factor, scaled = _factor(_extents(parts))
    images = {
        key: [image for block in blocks for image in _scaled(block, factor)]
        for key, blocks in parts.items()
    }
    return images, notes + scaled


def _channels_last(block: np.ndarray, first: bool, key: str) -> np.ndarray:
    if block.ndim == 3:
        block = block[..., None]
    elif first:
        block = np.moveaxis(block, 1, -1)
    if block.shape[-1] not in (1, 3) or 0 in block.shape:
        raise UsageError(
            f"{key} must have images with 1 or 3 channels. Received: shape {block.shape}, "
            "of (images, height, width, channels)."
        )
    return block


def _scaled(block: np.ndarray, factor: float) -> np.ndarray:
    if block.dtype == np.uint8 and factor == 1:
        return block
    return np.rint(np.multiply(block, factor, dtype="float32")).astype("uint8")


class _Extent(NamedTuple):
    """Lowest and highest value of a part's numbers of one kind."""

    key: str
    kind: str
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.kind} from {self.low:g} to {self.high:g}"


def _extents(parts: Blocks) -> list[_Extent]:
    found = collections.defaultdict(list)
    for key, blocks in parts.items():
        count = 0
        for block in blocks:
            if block.dtype.kind == "f" and not np.isfinite(block).all():
                wrong = count + int(np.argwhere(~np.isfinite(block))[0, 0])
                raise UsageError(
                    f"{key} must hold finite numbers. Received: NaN or infinity in {key}[{wrong}]."
                )
            count += len(block)
            kind = "uint16" if block.dtype == np.uint16 else KINDS[block.dtype.kind]
            found[key, kind] += [float(block.min()), float(block.max())]
    return [_Extent(*which, min(values), max(values)) for which, values in found.items()]


def _factor(extents: list[_Extent]) -> tuple[float, list[str]]:
    """What brings all values to [0, 255], and what is to be said of it."""
    deep = max((extent.high for extent in extents if extent.kind == "uint16"), default=0)
    factors = {_factor_of(extent, deep > 255) for extent in extents}
    if len(factors) > 1:
        received = "; ".join(f"{extent.key} with {extent}" for extent in extents)
        raise UsageError(
            "All images must have their values in one range. Received: "
            f"{received}. Bring all to uint8 in [0, 255]."
        )
    (factor,) = factors
    if deep > 255:
        said = "images had 16 bits: divided by 257"
        if deep <= TWELVE:
            said += f"; none is above {deep:g}: where they have 12 bits, multiply them by 16 first"
        return factor, [said]
    notes = []
    if factor == 255 and any(extent.kind == "floats" for extent in extents):
        notes.append("images were in [0, 1]: multiplied by 255")
    if any(extent.kind == "booleans" for extent in extents):
        notes.append("images were true and false: read as 255 and 0")
    if factor == 1 and max(extent.high for extent in extents) <= 1:
        notes.append("images hold only 0 and 1 of 255: where 1 is white, multiply them by 255")
    return factor, notes


def _factor_of(extent: _Extent, deep: bool) -> float:
    """What brings the values of a part to [0, 255]; refuses those that are in no such range."""
    _, kind, low, high = extent
    factor = 1 / SIXTEEN if kind == "uint16" and deep else 1
    if kind == "booleans" or (kind == "floats" and round(high * 255) <= 255):
        factor = 255
    between = kind == "floats" and factor == 1 and high < 2
    if round(low * factor) >= 0 and round(high * factor) <= 255 and not between:
        return factor
    if kind == "integers" and low >= 0:
        cure = "Where they have 16 bits, make them uint16: x.astype('uint16')."
    elif between:
        cure = "Clip what was in [0, 1]: np.clip(x, 0, 1)."
    elif kind == "floats" and round(low * factor) < 0:
        cure = "Undo the normalization: the network brings its own."
    else:
        cure = "Bring them to uint8 in [0, 255]."
    raise UsageError(
        f"{extent.key} must be in [0, 255], or floats in [0, 1]. Received: {extent}. {cure}"
    )
