"""Rows that are read, computed, joined or sliced are those of the array that they stand for."""

import zlib

import numpy as np
import pytest

from tl_strategies.store.rows import LazyRows, RowFile, joined, sliced, stored_rows

WHOLE = np.arange(60, dtype="float32").reshape(10, 3, 2)
ROWS = np.array([7, 0, 9, 7, 3])


def lazy(array):
    return LazyRows(lambda rows: array[rows], array.shape, array.dtype)


def in_file(tmp_path):
    path = tmp_path / "rows.bin"
    path.write_bytes(WHOLE.tobytes())
    file = RowFile(path)
    places = [(file, 24 * i, zlib.crc32(row.tobytes())) for i, row in enumerate(WHOLE)]
    return stored_rows(places, WHOLE.shape, "float32", lambda row, file: np.full((3, 2), -row))


@pytest.mark.parametrize(
    "make",
    [
        lambda tmp_path: lazy(WHOLE),
        in_file,
        lambda tmp_path: joined([WHOLE[:4], lazy(WHOLE[4:8]), lazy(WHOLE[8:])]),
        lambda tmp_path: sliced(lazy(np.concatenate([WHOLE[:2], WHOLE, WHOLE])), 2, 12),
        lambda tmp_path: sliced(np.concatenate([WHOLE[:2], WHOLE]), 2, 12),
    ],
)
def test_rows(make, tmp_path):
    rows = make(tmp_path)
    assert rows.shape == WHOLE.shape
    assert rows.dtype == WHOLE.dtype
    np.testing.assert_array_equal(rows[ROWS], WHOLE[ROWS])
    assert rows[ROWS[:0]].shape == (0, 3, 2)


@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_a_row_that_is_not_what_was_written_is_computed_again(tmp_path, damage):
    rows = in_file(tmp_path)
    data = bytearray(WHOLE.tobytes())
    data[7 * 24] ^= 1
    (tmp_path / "rows.bin").write_bytes(data if damage == "flip" else data[: 7 * 24 + 1])
    np.testing.assert_array_equal(rows[np.array([2])], WHOLE[[2]])
    np.testing.assert_array_equal(rows[np.array([7])], np.full((1, 3, 2), -7))
