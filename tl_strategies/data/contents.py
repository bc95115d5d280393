"""What images are made from: files, arrays in memory, records that are read in their order."""

import concurrent.futures
import hashlib
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

THREADS = 4


class Files:
    """Image files.

    Args:
        paths: of the files.
    """

    in_order = False

    def __init__(self, paths: Sequence[str]):
        self.paths = paths

    def digests(self) -> np.ndarray:
        """Digest of each file's bytes; of nothing where it cannot be read. S32."""
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            return np.array(list(pool.map(_file_digest, self.paths, chunksize=256)), "S32")

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
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _file_digest(path: str) -> str:
    try:
        file = pathlib.Path(path)
        return digest(file.read_bytes() if file.is_file() else b"")
    except OSError:  # decoding will say it
        return digest(b"")
