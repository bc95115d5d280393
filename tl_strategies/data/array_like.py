"""What a program calls an array, as NumPy's."""

from typing import Any

import numpy as np

from tl_strategies.errors import UsageError


def as_array(value: Any, key: str) -> np.ndarray:
    """An array, or what NumPy can read: a list, a tensor of another library, a column of a table.

    Args:
        value: has no masked values; bfloat16 becomes float32.
        key: what to call it.

    Raises:
        UsageError: NumPy cannot read it, or it has masked values.
    """
    if np.ma.is_masked(value):
        raise UsageError(
            f"{key} must have all its values. Received: {np.ma.count_masked(value)} masked. Fill "
            "them, or leave out their images."
        )
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # rows differ, or the library refuses
        raise UsageError(
            f"{key} must be an array, or what NumPy makes one of. Received: "
            f"{type(value).__name__}: {error}."
        ) from error
    return array.astype("float32") if array.dtype.name == "bfloat16" else array
