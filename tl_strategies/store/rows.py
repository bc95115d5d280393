"""Arrays that are read or computed row by row: `rows[[3, 5]]` is an array of two rows."""

import math
import os
import pathlib
import zlib
from collections.abc import Callable, Sequence

import numpy as np

from tl_strategies.opening import open_regular


class LazyRows:
    """Rows that are computed whenever they are asked for.

    Args:
        compute: gets row numbers, returns their values.
        shape: of the whole, rows first.
        dtype: of the values.
    """

    def __init__(
        self, compute: Callable[[np.ndarray], np.ndarray], shape: tuple[int, ...], dtype: str
    ):
        self.compute = compute
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return self.compute(np.asarray(rows))


def joined(arrays: Sequence["np.ndarray | LazyRows"]) -> LazyRows:
    """Arrays of rows of one shape, one after the other."""
    starts = np.cumsum([0, *(array.shape[0] for array in arrays)])
    shape, dtype = (int(starts[-1]), *arrays[0].shape[1:]), arrays[0].dtype

    def compute(rows: np.ndarray) -> np.ndarray:
        out = np.empty((len(rows), *shape[1:]), dtype)
        for array, start, stop in zip(arrays, starts, starts[1:], strict=False):
            inside = (start <= rows) & (rows < stop)
            if inside.any():
                out[inside] = array[rows[inside] - start]
        return out

    return LazyRows(compute, shape, dtype)


def sliced(array: "np.ndarray | LazyRows", start: int, stop: int) -> "np.ndarray | LazyRows":
    """The rows from `start` up to `stop`."""
    if isinstance(array, np.ndarray):
        return array[start:stop]
    return LazyRows(lambda rows: array[rows + start], (stop - start, *array.shape[1:]), array.dtype)


class RowFile:
    """An open file of rows, one after the other.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """

    def __init__(self, path: pathlib.Path):
        self.path = path
        with open_regular(path) as file:
            self._descriptor = os.dup(file.fileno())

    def read(self, into: memoryview, offset: int, checksum: int) -> bool:
        """Fill a buffer from an offset; False where that is not what was written."""
        try:
            whole = os.preadv(self._descriptor, [into], offset) == len(into)
        except OSError:  # of the disk
            return False
        return whole and zlib.crc32(into) == checksum

    def __del__(self):
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)


Place = tuple[RowFile, int, int]  # of a row: its file, its offset, its checksum


def stored_rows(
    places: Sequence[Place],
    shape: tuple[int, ...],
    dtype: str,
    again: Callable[[int, RowFile], np.ndarray],
) -> LazyRows:
    """Rows in files. They are read, not mapped: a process stays as small as what it asks for.

    Args:
        places: of each row.
        shape: of the whole, rows first.
        dtype: of the values.
        again: computes a row that is not what was written, from its number and its file.
    """
    size = math.prod(shape[1:]) * np.dtype(dtype).itemsize

    def read(rows: np.ndarray) -> np.ndarray:
        out = np.empty((len(rows), *shape[1:]), dtype)
        buffer = memoryview(out.reshape(-1).view("uint8"))
        for i, row in enumerate(rows):
            file, offset, checksum = places[row]
            if not file.read(buffer[i * size : (i + 1) * size], offset, checksum):
                out[i] = again(int(row), file)
        return out

    return LazyRows(read, shape, dtype)
