"""A data set: every image decoded once, with its label and its part."""

import dataclasses
import hashlib
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import PIL.Image

from tl_strategies.data.decode import decode_images, read_image
from tl_strategies.data.listing import Listing
from tl_strategies.data.rows import LazyRows
from tl_strategies.data.split import limit_train, split
from tl_strategies.data.store import Entry, Store


@dataclasses.dataclass(frozen=True)
class Images:
    """Decoded images.

    Attributes:
        listing: the readable ones' paths and labels; what was left out.
        array: rows of uint8, of shape (files, size, size, 3).
        rows: position in `array` of each image of the listing.
        keys: digest of each image's file, of dtype S32.
        decoding: what determines, with a file's bytes, the decoded image.
        parts: "train", "validation" or "test" for each image of the listing.
        train: positions in the listing of the images to train on.
    """

    listing: Listing
    array: np.ndarray | LazyRows
    rows: np.ndarray
    keys: np.ndarray
    decoding: dict[str, Any]
    parts: np.ndarray
    train: np.ndarray

    def positions(self, part: str) -> np.ndarray:
        """Positions in the listing of a part's images; of "train", those that are trained on."""
        return self.train if part == "train" else np.flatnonzero(self.parts == part)

    def __getitem__(self, positions: np.ndarray) -> np.ndarray:
        """Images at positions in the listing."""
        return self.array[self.rows[positions]]


def load_images(
    listing: Listing,
    size: int,
    seed: int,
    limit: int | None,
    store: Store,
    progress: Callable[[int], None],
    validation: bool = True,
) -> Images:
    """Decode and split a listing. Files that the store has seen are not decoded.

    Args:
        listing: what to decode.
        size: side in pixels.
        seed: of the split.
        limit: how many training images to use; None for all.
        store: where decoded images are kept.
        progress: called with the number of files decoded.
        validation: whether the validation part stays apart, or is trained on too.

    Raises:
        UsageError: a class is left with fewer than 3 readable images.
    """
    decoding = {
        "kind": "images",
        "size": size,
        "decoder": f"pillow {PIL.__version__}, white padding, 2",
    }
    failures: dict[int, str] = {}

    def compute(positions: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        paths = [listing.paths[position] for position in positions]
        for done, (position, image) in enumerate(
            zip(positions, decode_images(paths, size), strict=True), 1
        ):
            if isinstance(image, str):
                failures[position] = image
            else:
                yield position, image
            progress(done)

    keys = np.array([_content(path) for path in listing.paths], "S32")
    info = {"kind": "images", "image_size": size}
    entry = store.fetch(decoding, info, keys, (size, size, 3), "uint8", compute)
    if entry is None:
        for _ in compute(np.arange(len(keys))):  # to know which ones cannot be read
            pass
        entry = Entry(_decoded_anew(listing.paths, size), "off")
    for position in set(entry.absent) - failures.keys():
        failures[position] = "a copy of another file that cannot be read"
    readable = listing.without(dict(sorted(failures.items())))
    parts = split(readable.labels, seed)
    train = np.flatnonzero(parts == "train")
    if limit is not None:
        train = limit_train(parts, readable.labels, limit, seed)
    if not validation:
        train = np.sort(np.concatenate([train, np.flatnonzero(parts == "validation")]))
        parts = np.where(parts == "validation", "train", parts)
    rows = np.array([i for i in range(len(listing.paths)) if i not in failures])
    return Images(readable, entry.array, rows, keys[rows], decoding, parts, train)


def _decoded_anew(paths: tuple[str, ...], size: int) -> LazyRows:
    def decode(rows: np.ndarray) -> np.ndarray:
        return np.stack([read_image(paths[row], size) for row in rows])

    return LazyRows(decode, (len(paths), size, size, 3), "uint8")


def _content(path: str) -> str:
    """Digest of a file's bytes; of nothing where it cannot be read, which decoding will say."""
    try:
        file = pathlib.Path(path)
        data = file.read_bytes() if file.is_file() else b""
    except OSError:
        data = b""
    return hashlib.blake2b(data, digest_size=16).hexdigest()
