"""The store: arrays that were expensive, found again by the digest of all that determines them.

An entry is a directory with array.npy, read as a memory map, and entry.json. It appears whole or
not at all. Several processes may want the same entry at once: one computes it, the others wait.
"""

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tl_strategies.data.cache import written_aside


@dataclasses.dataclass(frozen=True)
class Entry:
    """An array from the store.

    Attributes:
        array: read-only where it lies in a file.
        extra: what was computed beside it, as plain data.
        status: "hit" if it was found, "miss" if it was computed, "off" if it was not stored.
    """

    array: np.ndarray
    extra: dict[str, Any]
    status: str


class Store:
    """Arrays below a directory.

    Args:
        directory: created when the first entry is written; None keeps nothing.
    """

    def __init__(self, directory: pathlib.Path | None):
        self.directory = directory

    def fetch(
        self,
        key: dict[str, Any],
        shape: tuple[int, ...],
        dtype: str,
        compute: Callable[[np.ndarray], dict[str, Any] | None],
    ) -> Entry:
        """The array of a key, computed where it is not there yet.

        Args:
            key: plain data that determines every value of the array.
            shape, dtype: of the array.
            compute: fills the array that it is given; returns plain data to keep beside it.
        """
        if self.directory is None:
            array = np.empty(shape, dtype)
            return Entry(array, compute(array) or {}, "off")
        text = json.dumps({**key, "shape": shape, "dtype": dtype}, sort_keys=True)
        path = self.directory / hashlib.sha256(text.encode()).hexdigest()[:32]
        with self._lock(path.name):
            found = self._read(path)
            if found is not None:
                return found
            with written_aside(path) as aside:
                aside.mkdir()
                array = np.lib.format.open_memmap(
                    aside / "array.npy", mode="w+", dtype=dtype, shape=shape
                )
                extra = compute(array) or {}
                array.flush()
                (aside / "entry.json").write_text(json.dumps({"key": key, "extra": extra}))
            found = self._read(path)
        return dataclasses.replace(found, status="miss")

    def _read(self, path: pathlib.Path) -> Entry | None:
        if not path.is_dir():
            return None
        array = np.load(path / "array.npy", mmap_mode="r")
        return Entry(array, json.loads((path / "entry.json").read_text())["extra"], "hit")

    @contextlib.contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        """Held while an entry is looked up or computed; a process that dies lets it go."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / f"{name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
