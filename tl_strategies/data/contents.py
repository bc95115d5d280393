"""What images are made from: files, arrays in memory, records that are read in their order."""

import concurrent.futures
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tl_strategies.data.faults import raise_machine_fault

THREADS = 4
CHUNK = 256  # files a thread reads at a time


class Files:
    """Image files.

    Args:
        paths: of the files.
    """

    in_order = False

    def __init__(self, paths: Sequence[str]):
        self.paths = paths

    def digests(self) -> np.ndarray:
        """Digest of each file's bytes; "" where it cannot be read. S32."""
        starts = range(0, len(self.paths), CHUNK)
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            chunks = pool.map(lambda i: [*map(_file_digest, self.paths[i : i + CHUNK])], starts)
            return np.array([of for chunk in chunks for of in chunk], "S32")

    def read(self, numbers: np.ndarray) -> Iterator[str]:
        """The paths with these numbers."""
        return (self.paths[number] for number in numbers)


class Arrays:
    """Images in memory.

    Args:
        images: arrays of shape (height, width, 1 or 3), uint8, of one size or several.
    """

    in_order = False

    def __init__(self, images: Sequence[np.ndarray]):
        self.images = images

    def digests(self) -> np.ndarray:
        """Digest of each image's shape and values. S32."""
        return np.array(
            [digest(str(image.shape).encode() + image.tobytes()) for image in self.images], "S32"
        )

    def read(self, numbers: np.ndarray) -> Iterator[np.ndarray]:
        """The images with these numbers."""
        return (self.images[number] for number in numbers)


class Records:
    """Encoded images that can only be read one after the other.

    Args:
        iterate: starts at the first one.
        digests: of each one's bytes.
    """

    in_order = True

    def __init__(self, iterate: Callable[[], Iterator[bytes]], digests: Sequence[str]):
        self.iterate = iterate
        self._digests = digests

    def digests(self) -> np.ndarray:
        """Digest of each image's bytes. S32."""
        return np.array(self._digests, "S32")

    def read(self, numbers: np.ndarray) -> Iterator[bytes]:
        """The encoded images with these rising numbers."""
        wanted = iter(numbers)
        following = next(wanted, None)
        for number, data in enumerate(self.iterate()):
            if number == following:
                yield data
                following = next(wanted, None)
            if following is None:
                return


def digest(data: bytes) -> str:
    """Of bytes, 32 hexadecimal digits."""
    return _hash(data).hexdigest()


def _hash(data: bytes = b"") -> "hashlib.blake2b":
    return hashlib.blake2b(data, digest_size=16)


def _file_digest(path: str) -> str:
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return hashlib.file_digest(file, _hash).hexdigest()
    except (OSError, ValueError) as error:  # decoding will say it
        raise_machine_fault(error)
    return ""


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; a named pipe does not wait for its writer."""
    return os.open(path, flags | os.O_NONBLOCK)
