"""A data set: every image decoded once, with its label and its part."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import PIL.Image

from tl_strategies.data.decode import VERSION, decode_images
from tl_strategies.data.listing import Listing
from tl_strategies.data.parts import Splitting, assign_parts
from tl_strategies.data.split import take_shots
from tl_strategies.image_size import ImageSize, sides, size_text
from tl_strategies.store.rows import LazyRows
from tl_strategies.store.store import Store
from tl_strategies.store.wanted import Entry, Wanted


@dataclasses.dataclass(frozen=True)
class Images:
    """Decoded images."""

    listing: Listing  # those that are used; what was left out
    array: np.ndarray | LazyRows  # rows of uint8, of shape (all images, height, width, 3)
    rows: np.ndarray  # position in `array`, and in the listing's contents, of each of its images
    keys: np.ndarray  # digest of each image's content, of dtype S32
    decoding: dict[str, Any]  # what determines, with a file's bytes, the decoded image
    parts: np.ndarray  # "train", "validation" or "test" for each image of the listing
    train: np.ndarray  # positions in the listing of the images to train on

    def positions(self, part: str) -> np.ndarray:
        """Positions in the listing of a part's images; of "train", those that are trained on."""
        return self.train if part == "train" else np.flatnonzero(self.parts == part)

    def __getitem__(self, positions: np.ndarray) -> np.ndarray:
        """Images at positions in the listing."""
        return self.array[self.rows[positions]]

    def split_again(self, splitting: Splitting) -> "Images":
        """The same images, already decoded, in other parts."""
        listing, kept, parts, train = assign_parts(self.listing, self.keys, splitting)
        return Images(
            *(listing, self.array, self.rows[kept], self.keys[kept], self.decoding, parts, train)
        )

    def some_of_each(self, count: int) -> np.ndarray:
        """Positions of so many images at most, as many of each label as there is room for."""
        each = max(1, count // self.listing.task.label_count)
        everything = np.arange(len(self.rows))
        return take_shots(self.listing.labels, everything, each, seed=0)[:count]


def load_images(
    listing: Listing,
    size: ImageSize,
    splitting: Splitting,
    store: Store,
    progress: Callable[[int], None],
) -> Images:
    """Decode and split a listing, to images of a size in pixels.

    Images that the store has seen are not decoded; `progress` gets the number of those that were.
    """
    decoding = {
        "kind": "images",
        "size": size if isinstance(size, int) else list(size),
        "decoder": f"pillow {PIL.__version__}, white padding, {VERSION}",
    }
    keys = listing.contents.digests()
    failures: dict[int, str] = {}

    def decoded(positions: np.ndarray) -> Iterator[np.ndarray | str]:
        return decode_images(listing.contents.read(positions), size)

    def compute(positions: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        images = zip(positions, decoded(positions), strict=True)
        for done, (position, image) in enumerate(images, 1):
            if isinstance(image, str):
                failures[position] = image
            else:
                yield position, image
            progress(done)

    if len(unread := np.flatnonzero(keys == b"")):  # a key of nothing stands for no other file
        for position, image in zip(unread.tolist(), decoded(unread), strict=True):
            readable = not isinstance(image, str)
            failures[position] = "it could not be read at first" if readable else image
    shape = (*sides(size), 3)
    metadata = {"kind": "images", "image_size": size_text(size)}
    entry = store.fetch(Wanted(decoding, metadata, keys, shape, "uint8", compute))
    if entry is None:
        entry = Entry(_decoded_anew(listing, shape, decoded, compute), "off")
    for position in set(entry.absent) - failures.keys():
        failures[position] = "a copy of another file that cannot be read"
    readable = listing.without(dict(sorted(failures.items())))
    rows = np.array([i for i in range(len(listing.paths)) if i not in failures])
    used, kept, parts, train = assign_parts(readable, keys[rows], splitting)
    rows = rows[kept]
    return Images(used, entry.array, rows, keys[rows], decoding, parts, train)


def _decoded_anew(
    listing: Listing, shape: tuple[int, ...], decoded: Callable, compute: Callable
) -> np.ndarray | LazyRows:
    """Images that are decoded whenever they are asked for; in memory where that would be slow.

    All are decoded once, to know which ones cannot be.
    """
    shape = (len(listing.paths), *shape)
    images = compute(np.arange(len(listing.paths)))
    if listing.contents.in_order:
        array = np.zeros(shape, "uint8")
        for position, image in images:
            array[position] = image
        return array
    for _ in images:
        pass
    return LazyRows(lambda rows: np.stack(list(decoded(rows))), shape, "uint8")
