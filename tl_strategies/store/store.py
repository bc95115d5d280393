"""The store: rows that were expensive, found again by the digest of all that determines them.

It holds a table for each prefix, and one for decoded images. Several processes may want the same
rows at once: one computes them, the others wait and reuse them.
"""

import contextlib
import hashlib
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from tl_strategies.errors import UsageError
from tl_strategies.store.room import NoStoreError, make_room, tables_in
from tl_strategies.store.rows import LazyRows, stored_rows
from tl_strategies.store.table import Table
from tl_strategies.store.wanted import Entry, Wanted

IN_MEMORY = 512 * 2**20  # bytes; what is larger is read from its file as it is needed


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

    def fetch(self, wanted: Wanted) -> Entry | None:
        """Rows by their keys; those that are not there yet are computed and kept.

        Returns:
            None where the rows can be neither stored nor held in memory.

        Raises:
            UsageError: storing is required and impossible.
        """
        if self.directory is None:
            return self._hold(wanted)
        table = self._table(wanted)
        table.merge()
        status = "hit"
        if len(_missing(wanted.keys, table)):
            status = "miss"
            try:
                self._add(table, wanted)
            except NoStoreError as error:
                if self.required:
                    raise UsageError(
                        "--cache require must have a store that can hold what is computed. "
                        f"Received: {error}."
                    ) from error
                print(f"going on without the store: {error}", flush=True)
                return self._hold(wanted, table)
        table.touch()
        return self._read(table, wanted, status)

    def peek(self, wanted: Wanted) -> LazyRows | None:
        """The rows if all are there; those that are damaged later are computed."""
        if self.directory is None:
            return None
        places = self._table(wanted).find(wanted.keys)
        if any(key not in places for key in wanted.keys):
            return None
        rows = [places[key] for key in wanted.keys]
        return stored_rows(rows, wanted.whole, wanted.dtype, wanted.again())

    def make_room(self, wanted: Wanted, promised: int = 0) -> np.ndarray:
        """Positions of the rows that are missing, which have room now; none where they have not.

        `promised` are bytes that other tables will get meanwhile.
        """
        nothing = np.array([], int)
        if self.directory is None:
            return nothing
        table = self._table(wanted)
        try:
            with table.lock():
                missing = self._missing(table, wanted.keys, promised)
                table.create(wanted.metadata)  # the last one to make way for others
                return missing
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
        table, keys = self._table(wanted), wanted.keys
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

    def _table(self, wanted: Wanted) -> Table:
        determined = {**wanted.identity, "shape": wanted.shape, "dtype": wanted.dtype, "table": 2}
        name = hashlib.sha256(json.dumps(determined, sort_keys=True).encode()).hexdigest()[:32]
        return Table(self.directory / name, wanted.shape, wanted.dtype)

    def _add(self, table: Table, wanted: Wanted) -> None:
        """Compute what is missing and store it.

        Raises:
            NoStoreError: it cannot be stored.
        """
        failed, written, keys = [], set(), wanted.keys

        def rows(missing: np.ndarray) -> Iterator[tuple[bytes, np.ndarray]]:
            try:
                for position, value in wanted.compute(missing):
                    written.add(keys[position])
                    yield keys[position], value
            except OSError as error:  # of the computation, not of the disk
                failed.append(error)
                raise

        try:
            with table.lock():
                missing = self._missing(table, keys)  # another process may have been faster
                if len(missing):
                    table.append(rows(missing), wanted.metadata)
                if written - table.find(keys).keys():
                    raise OSError("what was written cannot be read")
        except OSError as error:
            if failed:
                raise
            raise NoStoreError(f"{self.directory} cannot be written to ({error})") from error

    def _missing(self, table: Table, keys: np.ndarray, promised: int = 0) -> np.ndarray:
        """What a table has not, once there is room for it. The table's lock must be held."""
        missing = _missing(keys, table)
        whole, needed = (count * table.row_bytes for count in (len(set(keys)), len(missing)))
        kept = make_room(table, whole, needed + promised, self.limit)
        return missing if kept else _missing(keys, table)

    def _read(self, table: Table, wanted: Wanted, status: str) -> Entry:
        places = table.find(wanted.keys)
        absent = tuple(i for i, key in enumerate(wanted.keys) if key not in places)
        rows = [places.get(key) for key in wanted.keys]
        stored = stored_rows(rows, wanted.whole, wanted.dtype, wanted.again())
        if wanted.bytes > self.in_memory:
            return Entry(stored, status, absent)
        array = np.zeros(wanted.whole, wanted.dtype)
        present = np.setdiff1d(np.arange(len(rows)), absent)
        for some in np.array_split(present, 1 + len(present) // 256):
            array[some] = stored[some]
        return Entry(array, status, absent)

    def _hold(self, wanted: Wanted, table: Table | None = None) -> Entry | None:
        """Rows in memory, where they are small enough; those that a table has are read."""
        if wanted.bytes > self.in_memory:
            return None
        array = np.zeros(wanted.whole, wanted.dtype)
        absent = set(range(len(array)))
        if table is not None:
            found = self._read(table, wanted, "off")
            array, absent = found.array, set(found.absent)
        for position, value in wanted.compute(np.array(sorted(absent), dtype=int)):
            array[position] = value
            absent.remove(position)
        return Entry(array, "off", tuple(sorted(absent)))


def _missing(keys: np.ndarray, table: Table) -> np.ndarray:
    """The first position of each key that the table does not have."""
    places = table.find(keys)
    unique, first = np.unique(keys, return_index=True)
    absent = [at for key, at in zip(unique, first, strict=True) if key not in places]
    return np.sort(absent).astype(int)
