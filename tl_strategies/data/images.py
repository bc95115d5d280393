"""A data set in memory or mapped: every image decoded once, with its label and its part."""

import dataclasses
import hashlib
import pathlib
from collections.abc import Callable

import numpy as np
import PIL.Image

from tl_strategies.data.decode import decode_images
from tl_strategies.data.listing import Listing
from tl_strategies.data.split import limit_train, split
from tl_strategies.data.store import Store


@dataclasses.dataclass(frozen=True)
class Images:
    """Decoded images.

    Attributes:
        listing: the readable ones' paths and labels; what was left out.
        array: uint8 of shape (files, size, size, 3).
        rows: position in `array` of each image of the listing.
        parts: "train", "validation" or "test" for each image of the listing.
        train: positions in the listing of the images to train on.
        digest: of the files' contents, in order, and of how they were decoded.
    """

    listing: Listing
    array: np.ndarray
    rows: np.ndarray
    parts: np.ndarray
    train: np.ndarray
    digest: str

    def positions(self, part: str) -> np.ndarray:
        """Positions in the listing of a part's images; of "train", those that are trained on."""
        return self.train if part == "train" else np.flatnonzero(self.parts == part)


def load_images(
    listing: Listing,
    size: int,
    seed: int,
    limit: int | None,
    store: Store,
    progress: Callable[[int], None],
) -> Images:
    """Decode and split a listing. A store that has seen the same files decodes nothing.

    Args:
        listing: what to decode.
        size: side in pixels.
        seed: of the split.
        limit: how many training images to use; None for all.
        store: where decoded images are kept.
        progress: called with the number of files decoded.

    Raises:
        UsageError: a class is left with fewer than 3 readable images.
    """
    key = {
        "images": [_content(path) for path in listing.paths],
        "size": size,
        "decoder": f"pillow {PIL.__version__}, white padding, 2",
        "formats": sorted(set(PIL.Image.registered_extensions().values())),
    }

    def compute(out: np.ndarray) -> dict:
        failures = decode_images(listing.paths, size, out, progress)
        return {"failures": {str(position): why for position, why in failures.items()}}

    entry = store.fetch(key, (len(listing.paths), size, size, 3), "uint8", compute)
    failures = {int(position): why for position, why in entry.extra["failures"].items()}
    readable = listing.without(failures)
    parts = split(readable.labels, seed)
    train = np.flatnonzero(parts == "train")
    if limit is not None:
        train = limit_train(parts, readable.labels, limit, seed)
    return Images(
        listing=readable,
        array=entry.array,
        rows=np.array([i for i in range(len(listing.paths)) if i not in failures]),
        parts=parts,
        train=train,
        digest=hashlib.sha256(repr(sorted(key.items())).encode()).hexdigest(),
    )


def _content(path: str) -> str:
    """Digest of a file's bytes; of nothing where it cannot be read, which decoding will say."""
    try:
        file = pathlib.Path(path)
        data = file.read_bytes() if file.is_file() else b""
    except OSError:
        data = b""
    return hashlib.blake2b(data, digest_size=16).hexdigest()
