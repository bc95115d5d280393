"""The store: rows that were expensive, found again by the digest of all that determines them.

It holds a table for each prefix, and one for decoded images. Several processes may want the same
rows at once: one computes them, the others wait and reuse them.
"""

import contextlib
import dataclasses
import errno
import hashlib
import json
import math
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from tl_strategies.errors import UsageError
from tl_strategies.store.room import NoStoreError, make_room, tables_in
from tl_strategies.store.rows import LazyRows, RowFile, stored_rows
from tl_strategies.store.table import Table, discard

IN_MEMORY = 512 * 2**20  # bytes; what is larger is read from its file as it is needed

Compute = Callable[[np.ndarray], Iterable[tuple[int, np.ndarray]]]


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

    @property
    def bytes(self) -> int:
        """Size of all rows."""
        return math.prod(self.array.shape) * self.array.dtype.itemsize


class Wanted(NamedTuple):
    """Rows that are wanted from the store; see `Store.fetch`."""

    identity: dict[str, Any]
    metadata: dict[str, Any]
    keys: np.ndarray
    shape: tuple[int, ...]
    dtype: str
    compute: Compute

    @property
    def bytes(self) -> int:
        """Size of all rows."""
        return len(self.keys) * math.prod(self.shape) * np.dtype(self.dtype).itemsize


class Store:
    """Tables below a directory.

    Args:
        directory: created when the first row is written; None keeps nothing on disk.
        limit: in bytes; the least recently used tables make room.
        required: whether it is an error when rows cannot be stored.
        in_memory: bytes up to which rows are held in memory.
    """

    def __init__(
        self,
        directory: pathlib.Path | None,
        limit: float = float("inf"),
        required: bool = False,
        in_memory: int = IN_MEMORY,
    ):
        self.directory = directory
        self.limit = limit
        self.required = required
        self.in_memory = in_memory

    def fetch(
        self,
        identity: dict[str, Any],
        metadata: dict[str, Any],
        keys: np.ndarray,
        shape: tuple[int, ...],
        dtype: str,
        compute: Compute,
    ) -> Entry | None:
        """Rows by their keys; those that are not there yet are computed and kept.

        Args:
            identity: plain data that determines, with a row's key, its values.
            metadata: plain data that says for people what this is.
            keys: a digest for each row, of dtype S32.
            shape, dtype: of a row.
            compute: gets positions in `keys`, yields position and value of those it can compute.

        Returns:
            None where the rows can be neither stored nor held in memory.

        Raises:
            UsageError: storing is required and impossible.
        """
        if self.directory is None:
            return self._hold(keys, shape, dtype, compute)
        table = self._table(identity, shape, dtype)
        status = "hit"
        if len(_missing(keys, table)):
            status = "miss"
            try:
                self._add(table, keys, metadata, compute)
            except NoStoreError as error:
                if self.required:
                    raise UsageError(
                        "--cache require must have a store that can hold what is computed. "
                        f"Received: {error}."
                    ) from error
                print(f"going on without the store: {error}", flush=True)
                return self._hold(keys, shape, dtype, compute, table)
        table.touch()
        return self._read(table, keys, status, compute)

    def peek(
        self,
        identity: dict[str, Any],
        keys: np.ndarray,
        shape: tuple[int, ...],
        dtype: str,
        compute: Compute,
    ) -> LazyRows | None:
        """The rows if all are there; `compute` is for those that are damaged later."""
        if self.directory is None:
            return None
        places = self._table(identity, shape, dtype).find(keys)
        if any(key not in places for key in keys):
            return None
        rows = [places[key] for key in keys]
        return stored_rows(rows, (len(keys), *shape), dtype, _again(compute))

    def make_room(self, wanted: Wanted) -> np.ndarray:
        """Positions of the rows that are missing, which have room now; none where they have not."""
        nothing = np.array([], int)
        if self.directory is None:
            return nothing
        table = self._table(wanted.identity, wanted.shape, wanted.dtype)
        try:
            with table.lock():
                return self._missing(table, wanted.keys)
        except (OSError, NoStoreError):  # which `fetch` will say
            return nothing

    def share(self, wanted: Wanted, rows: np.ndarray) -> None:
        """Keep some of the rows, while other processes do so with others of the same table.

        Args:
            wanted: all rows; `make_room` has made room for them.
            rows: positions of those to keep.

        Raises:
            OSError: a row cannot be written.
        """
        keys = wanted.keys
        table = self._table(wanted.identity, wanted.shape, wanted.dtype)
        with table.lock(shared=True):
            missing = rows[_missing(keys[rows], table)]
            found = ((keys[position], value) for position, value in wanted.compute(missing))
            table.append(found, wanted.metadata, shared=True)

    def tables(self) -> list[dict[str, Any]]:
        """What is stored, the least recently used first."""
        return [] if self.directory is None else tables_in(self.directory)

    def clear(self) -> None:
        """Delete all tables but those that a process is adding to."""
        for entry in self.tables():
            table = Table(self.directory / entry["table"], (), "u1")
            with contextlib.suppress(OSError), table.lock(wait=False):
                table.delete()

    def _table(self, identity: dict[str, Any], shape: tuple[int, ...], dtype: str) -> Table:
        text = json.dumps({**identity, "shape": shape, "dtype": dtype, "table": 2}, sort_keys=True)
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        return Table(self.directory / name, shape, dtype)

    def _add(self, table: Table, keys: np.ndarray, metadata: dict, compute: Compute) -> None:
        """Compute what is missing and store it.

        Raises:
            NoStoreError: it cannot be stored.
        """
        failed, written = [], set()

        def rows(missing: np.ndarray) -> Iterator[tuple[bytes, np.ndarray]]:
            try:
                for position, value in compute(missing):
                    written.add(keys[position])
                    yield keys[position], value
            except OSError as error:  # of the computation, not of the disk
                failed.append(error)
                raise

        try:
            with table.lock():
                missing = self._missing(table, keys)  # another process may have been faster
                if len(missing):
                    table.append(rows(missing), metadata)
                if written - table.find(keys).keys():
                    raise OSError("what was written cannot be read")
        except OSError as error:
            if failed:
                raise
            raise NoStoreError(f"{self.directory} cannot be written to ({error})") from error

    def _missing(self, table: Table, keys: np.ndarray) -> np.ndarray:
        """What a table has not, once there is room for it. The table's lock must be held."""
        missing = _missing(keys, table)
        whole, needed = (count * table.row_bytes for count in (len(set(keys)), len(missing)))
        return missing if make_room(table, whole, needed, self.limit) else _missing(keys, table)

    def _read(self, table: Table, keys: np.ndarray, status: str, compute: Compute) -> Entry:
        places = table.find(keys)
        absent = tuple(position for position, key in enumerate(keys) if key not in places)
        shape = (len(keys), *table.shape)
        rows = [places.get(key) for key in keys]
        entry = Entry(stored_rows(rows, shape, table.dtype, _again(compute)), status, absent)
        if entry.bytes > self.in_memory:
            return entry
        array = np.zeros(shape, table.dtype)
        present = np.setdiff1d(np.arange(len(keys)), absent)
        for rows in np.array_split(present, 1 + len(present) // 256):
            array[rows] = entry.array[rows]
        return dataclasses.replace(entry, array=array)

    def _hold(
        self,
        keys: np.ndarray,
        shape: tuple[int, ...],
        dtype: str,
        compute: Compute,
        table: Table | None = None,
    ) -> Entry | None:
        """Rows in memory, where they are small enough; those that a table has are read."""
        if len(keys) * math.prod(shape) * np.dtype(dtype).itemsize > self.in_memory:
            return None
        array = np.zeros((len(keys), *shape), dtype)
        absent = set(range(len(keys)))
        if table is not None:
            found = self._read(table, keys, "off", compute)
            array, absent = found.array, set(found.absent)
        for position, value in compute(np.array(sorted(absent), dtype=int)):
            array[position] = value
            absent.remove(position)
        return Entry(array, "off", tuple(sorted(absent)))


def _missing(keys: np.ndarray, table: Table) -> np.ndarray:
    """The first position of each key that the table does not have."""
    places = table.find(keys)
    unique, first = np.unique(keys, return_index=True)
    return np.sort([at for key, at in zip(unique, first, strict=True) if key not in places]).astype(
        int
    )


def _again(compute: Compute) -> Callable[[int, RowFile], np.ndarray]:
    """What computes a row anew that its file has no more, and has the file's chunk deleted."""
    discarded = set()

    def again(position: int, file: RowFile) -> np.ndarray:
        if file.path not in discarded:
            discarded.add(file.path)
            discard(file.path.parent)
        for _, value in compute(np.array([position])):
            return value
        raise OSError(errno.EIO, "a damaged row cannot be computed again", str(file.path))

    return again
