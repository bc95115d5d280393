"""Arrays that are read or computed row by row: `rows[[3, 5]]` is an array of two rows."""

import math
import os
from collections.abc import Callable, Sequence

import numpy as np


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


class RowFile:
    """An open file of rows, one after the other."""

    def __init__(self, path: str | os.PathLike):
        self._descriptor = os.open(path, os.O_RDONLY)

    def read(self, into: memoryview, offset: int) -> bool:
        """Fill a buffer from an offset; False where the file is too short."""
        return os.preadv(self._descriptor, [into], offset) == len(into)

    def __del__(self):
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)


def stored_rows(
    places: Sequence[tuple[RowFile, int]], shape: tuple[int, ...], dtype: str
) -> LazyRows:
    """Rows in files. They are read, not mapped: a process stays as small as what it asks for.

    Args:
        places: file and offset of each row.
        shape: of the whole, rows first.
        dtype: of the values.
    """
    size = math.prod(shape[1:]) * np.dtype(dtype).itemsize

    def read(rows: np.ndarray) -> np.ndarray:
        out = np.empty((len(rows), *shape[1:]), dtype)
        buffer = memoryview(out.reshape(-1).view("uint8"))
        for i, row in enumerate(rows):
            file, offset = places[row]
            if not file.read(buffer[i * size : (i + 1) * size], offset):
                raise OSError("a file of the store was cut short while it was read")
        return out

    return LazyRows(read, shape, dtype)
