"""Rows that are wanted from the store, and what comes of them."""

import dataclasses
import errno
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tl_strategies.store.rows import LazyRows, RowFile
from tl_strategies.store.table import discard


@dataclasses.dataclass(frozen=True)
class Wanted:
    """Rows of one table, by their keys.

    Attributes:
        identity: plain data that determines, with a row's key, its values.
        metadata: plain data that says for people what this is.
        keys: a digest for each row, of dtype S32.
        shape, dtype: of a row.
        compute: gets positions in `keys`, yields position and value of those it can compute.
    """

    identity: dict[str, Any]
    metadata: dict[str, Any]
    keys: np.ndarray
    shape: tuple[int, ...]
    dtype: str
    compute: Callable[[np.ndarray], Iterable[tuple[int, np.ndarray]]]

    @property
    def whole(self) -> tuple[int, ...]:
        """The shape of all rows."""
        return len(self.keys), *self.shape

    @property
    def bytes(self) -> int:
        """Size of all rows."""
        return math.prod(self.whole) * np.dtype(self.dtype).itemsize

    def again(self) -> Callable[[int, RowFile], np.ndarray]:
        """What computes a row anew that its file has no more, and has the file's chunk deleted."""
        discarded = set()

        def again(position: int, file: RowFile) -> np.ndarray:
            if file.path not in discarded:
                discarded.add(file.path)
                discard(file.path.parent)
            for _, value in self.compute(np.array([position])):
                return value
            raise OSError(errno.EIO, "a damaged row cannot be computed again", str(file.path))

        return again


@dataclasses.dataclass(frozen=True)
class Entry:
    """Rows from the store.

    Attributes:
        array: `array[rows]` gives the rows asked for.
        status: "hit" if all were found, "miss" if some were computed, "off" if they are not stored.
        absent: positions that could not be computed.
    """

    array: np.ndarray | LazyRows
    status: str
    absent: tuple[int, ...] = ()
