"""A table of the store: rows of one shape, each found by the digest of what determines it.

Rows lie in chunks, each a directory that appears whole and never changes: rows.bin holds values,
index.npy each row's key and checksum. table.json says for people what the table is.
"""

import contextlib
import errno
import itertools
import json
import math
import os
import pathlib
import re
import secrets
import time
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from tl_strategies.directories import MARK, is_ours, make_directory
from tl_strategies.files import atomic_write, read_text, remove_leftovers, write_text
from tl_strategies.opening import locked, open_regular
from tl_strategies.store.rows import Place, RowFile

NAME, CHUNK = re.compile(r"[0-9a-f]{32}"), re.compile(r"chunk-[0-9a-f]{16}")
ROWS, KEYS, ABOUT = "rows.bin", "index.npy", "table.json"
KINDS = {"kind": str, "backbone": str, "depth": int, "image_size": str, "row_bytes": int}
INDEX = np.dtype([("key", "S32"), ("checksum", "<u4")])
MOST_CHUNKS = 64
FIRST_CHUNK = 5.0  # seconds; a chunk lasts at least this, and a tenth of the pass so far


class Table:
    """A directory of chunks.

    Args:
        path: of the directory, which need not exist yet.
        shape: of a row.
        dtype: of a row.
    """

    def __init__(self, path: pathlib.Path, shape: tuple[int, ...], dtype: str):
        self.path = path
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.row_bytes = math.prod(shape) * self.dtype.itemsize
        self._verified: dict[bytes, Place] = {}

    def find(self, keys: Iterable[bytes]) -> dict[bytes, Place]:
        """Where the rows are that are here with the right checksum, by key.

        A chunk with a wrong row is deleted, where that is possible.
        """
        wanted = set(keys) - self._verified.keys()
        for chunk in self._chunks() if wanted else ():
            try:
                found = self._read_chunk(chunk, wanted)
            except OSError:  # not there any more, or not to be opened now
                continue
            except Exception:  # NumPy raises many kinds when an index is not one
                discard(chunk)
                continue
            self._verified |= found
            wanted -= found.keys()
        return {key: self._verified[key] for key in keys if key in self._verified}

    def _read_chunk(self, chunk: pathlib.Path, wanted: set[bytes]) -> dict[bytes, Place]:
        if not (chunk / KEYS).is_file() and chunk.is_dir():
            raise ValueError("no index")
        index = _read_index(chunk)
        file = RowFile(chunk / ROWS)
        buffer = memoryview(bytearray(self.row_bytes))
        found = {}
        for row, (key, checksum) in enumerate(index):
            if key in wanted:
                place = file, row * self.row_bytes, int(checksum)
                if not file.read(buffer, *place[1:]):
                    raise ValueError("a row is not what was written")
                found[key] = place
        return found

    def _chunks(self) -> list[pathlib.Path]:
        try:
            return [path for path in self.path.iterdir() if CHUNK.fullmatch(path.name)]
        except OSError:  # it may be evicted at any time
            return []

    def append(
        self,
        rows: Iterable[tuple[bytes, np.ndarray]],
        metadata: dict[str, Any],
        shared: bool = False,
    ) -> None:
        """Write rows as they come. The lock must be held, or `shared`.

        When a pass is stopped, the chunks that it has finished stay.

        Raises:
            OSError: a file cannot be written.
        """
        rows = iter(rows)
        began = time.monotonic()
        if not shared:  # else another process may be writing, or reading what is merged
            self.create(metadata)
            remove_leftovers(self.path)
            self._merge()
        elif not is_table(self.path):
            raise OSError(errno.ENOENT, "the table has made way for another one", str(self.path))
        while (first := next(rows, None)) is not None:
            with atomic_write(self.path / f"chunk-{secrets.token_hex(8)}") as aside:
                self._write_chunk(aside, itertools.chain([first], rows), began)

    def create(self, metadata: dict[str, Any]) -> None:
        """Make its directory, and say what it is. The lock must be held.

        Raises:
            OSError: it cannot be made.
        """
        make_directory(self.path, marked=True)
        if not is_table(self.path):
            raise OSError(errno.EEXIST, "it is in the place of a table", str(self.path))
        write_text(self.path / ABOUT, json.dumps({**metadata, "row_bytes": self.row_bytes}))

    def merge(self) -> None:
        """Make one chunk of many, unless another process is at work on the table."""
        if len(self._chunks()) >= MOST_CHUNKS:
            with contextlib.suppress(OSError), self.lock(wait=False):
                self._merge()

    def _merge(self) -> None:
        """Make one chunk of many: each takes an open file of every process that reads it."""
        chunks = self._chunks()
        if len(chunks) < MOST_CHUNKS:
            return
        seen: set[bytes] = set()  # two processes may have written the same row
        indices = []
        with atomic_write(self.path / f"chunk-{secrets.token_hex(8)}") as aside:
            aside.mkdir()
            with (aside / ROWS).open("wb") as target:
                for chunk in chunks:
                    index = _read_index(chunk)
                    new = [i for i, key in enumerate(index["key"]) if key not in seen]
                    seen.update(index["key"])
                    indices.append(index[new])
                    with (chunk / ROWS).open("rb") as source:
                        for row in new:
                            source.seek(row * self.row_bytes)
                            target.write(source.read(self.row_bytes))
            np.save(aside / KEYS, np.concatenate(indices))
        for chunk in chunks:
            _delete_chunk(chunk)

    def _write_chunk(self, aside: pathlib.Path, rows: Iterator, began: float) -> None:
        start = time.monotonic()
        index = []
        aside.mkdir()
        with (aside / ROWS).open("wb", buffering=0) as file:
            for key, values in rows:
                data = np.ascontiguousarray(values, self.dtype).reshape(-1).view("uint8")
                if file.write(data) != self.row_bytes:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
                index.append((key, zlib.crc32(data)))
                now = time.monotonic()
                if now - start > max(FIRST_CHUNK, 0.1 * (now - began)):
                    break
        np.save(aside / KEYS, np.array(index, INDEX))

    @contextlib.contextmanager
    def lock(self, wait: bool = True, shared: bool = False) -> Iterator[None]:
        """Held while rows are added or deleted; a process that dies lets it go.

        Those that share it may add rows at the same time, and none may delete any.

        Raises:
            BlockingIOError: another process holds it and `wait` is False.
            OSError: there can be no lock here.
        """
        make_directory(self.path.parent)
        with locked(self.path.with_name(f"{MARK}-{self.path.name}.lock"), wait, shared):
            yield

    def touch(self) -> None:
        """Note that the table was used now."""
        with contextlib.suppress(OSError):
            os.utime(self.path / ABOUT)

    def delete(self) -> None:
        """Delete all rows of a table that we made. Who has them open still reads them."""
        self._verified.clear()
        if not is_table(self.path):
            return
        remove_leftovers(self.path)
        for chunk in self._chunks():
            _delete_chunk(chunk)
        _delete_files(self.path, (ABOUT, MARK))

    def describe(self) -> dict[str, Any]:
        """Its metadata, its rows and bytes, and when it was used (Unix time)."""
        size, used, metadata = 0, 0.0, {}
        with contextlib.suppress(OSError, ValueError):  # it may be evicted at any time
            size = sum((chunk / ROWS).stat().st_size for chunk in self._chunks())
            used = (self.path / ABOUT).stat().st_mtime
            metadata = json.loads(read_text(self.path / ABOUT))
        told = {
            name: metadata[name]
            for name, kind in KINDS.items()
            if isinstance(metadata, dict) and type(metadata.get(name)) is kind
        }
        rows = size // max(told.get("row_bytes", 1), 1)
        return {**told, "rows": rows, "bytes": size, "used": used, "table": self.path.name}


def is_table(path: pathlib.Path) -> bool:
    """Whether a directory is a table that we made."""
    return bool(NAME.fullmatch(path.name)) and not path.is_symlink() and is_ours(path)


def discard(chunk: pathlib.Path) -> None:
    """Delete a chunk that is not what was written, and say so."""
    print(f"a damaged part of the store is computed again: {chunk}", flush=True)
    _delete_chunk(chunk)


def _read_index(chunk: pathlib.Path) -> np.ndarray:
    with open_regular(chunk / KEYS) as file:
        index = np.load(file)
    if index.dtype != INDEX:
        raise ValueError("not an index")
    return index


def _delete_chunk(chunk: pathlib.Path) -> None:
    _delete_files(chunk, (ROWS, KEYS))


def _delete_files(directory: pathlib.Path, names: Iterable[str]) -> None:
    """Delete files in a directory, and it too where nothing else is in it."""
    with contextlib.suppress(OSError):  # what cannot be deleted stays
        for name in names:
            (directory / name).unlink(missing_ok=True)
        directory.rmdir()
