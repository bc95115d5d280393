"""Rows that are read, computed, joined or sliced are those of the array that they stand for."""

import numpy as np
import pytest

from tl_strategies.data.rows import LazyRows, RowFile, joined, sliced, stored_rows

WHOLE = np.arange(60, dtype="float32").reshape(10, 3, 2)
ROWS = np.array([7, 0, 9, 7, 3])


def lazy(array):
    return LazyRows(lambda rows: array[rows], array.shape, array.dtype)


def in_file(tmp_path):
    path = tmp_path / "rows.bin"
    path.write_bytes(WHOLE.tobytes())
    file = RowFile(path)
    return stored_rows([(file, 24 * i) for i in range(10)], WHOLE.shape, "float32")


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


def test_a_file_that_is_cut_short_is_an_error(tmp_path):
    rows = in_file(tmp_path)
    (tmp_path / "rows.bin").write_bytes(WHOLE.tobytes()[:100])
    np.testing.assert_array_equal(rows[np.array([2])], WHOLE[[2]])
    with pytest.raises(OSError, match="cut short"):
        rows[np.array([7])]
