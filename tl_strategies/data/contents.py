"""What images are made from: files, arrays in memory, records that are read in their order.

Each has `digests`, of each image's content, of dtype S32; and `read`, of the images with some
numbers.
"""

import concurrent.futures
import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tl_strategies.data.left_out import raise_machine_fault
from tl_strategies.opening import open_regular

THREADS = 4
CHUNK = 256  # files a thread reads at a time
_hash = functools.partial(hashlib.blake2b, digest_size=16)


@dataclasses.dataclass(frozen=True)
class Files:
    """Image files, by path. The digest of one that cannot be read is ""."""

    paths: Sequence[str]
    in_order = False

    def digests(self) -> np.ndarray:
        chunks = [self.paths[i : i + CHUNK] for i in range(0, len(self.paths), CHUNK)]
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            found = pool.map(lambda chunk: [*map(_file_digest, chunk)], chunks)
            return np.array([*itertools.chain.from_iterable(found)], "S32")

    def read(self, numbers: np.ndarray) -> Iterator[str]:
        return (self.paths[number] for number in numbers)


@dataclasses.dataclass(frozen=True)
class Arrays:
    """Images of shape (height, width, 1 or 3), uint8, of one size or several."""

    images: Sequence[np.ndarray]
    in_order = False

    def digests(self) -> np.ndarray:
        contents = (str(image.shape).encode() + image.tobytes() for image in self.images)
        return np.array([*map(digest, contents)], "S32")

    def read(self, numbers: np.ndarray) -> Iterator[np.ndarray]:
        return (self.images[number] for number in numbers)


@dataclasses.dataclass(frozen=True)
class Records:
    """Encoded images that can only be read one after the other, by rising numbers."""

    iterate: Callable[[], Iterator[bytes]]  # from the first one
    known: Sequence[str]  # digest of each one's bytes
    in_order = True

    def digests(self) -> np.ndarray:
        return np.array(self.known, "S32")

    def read(self, numbers: np.ndarray) -> Iterator[bytes]:
        records, start = self.iterate(), 0
        for number in numbers:
            yield from itertools.islice(records, number - start, number - start + 1)
            start = number + 1


def digest(data: bytes) -> str:
    """Of bytes, 32 hexadecimal digits."""
    return _hash(data).hexdigest()


def _file_digest(path: str) -> str:
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, _hash).hexdigest()
    except (OSError, ValueError) as error:  # decoding will say it
        raise_machine_fault(error)
        return ""
