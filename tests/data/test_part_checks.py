"""Parts without an image are refused before anything is trained."""

import numpy as np
import pytest

import tl_strategies as tl
from tl_strategies.data.contents import Arrays
from tl_strategies.data.listing import Listing
from tl_strategies.data.parts import Splitting, assign_parts
from tl_strategies.data.split import PARTS


def alike(count, different, grouped=False):
    """Images of two classes, of few contents or groups."""
    numbers = np.arange(count) % different
    made = Listing(
        source="made up",
        paths=tuple(f"{i}.png" for i in range(count)),
        labels=numbers % 2 if different > 1 else np.arange(count) % 2,
        task=tl.Task(("a", "b")),
        contents=Arrays([]),
        groups=numbers if grouped else None,
    )
    return made, np.arange(count).astype("S32") if grouped else numbers.astype("S32")


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("different", [1, 2])
@pytest.mark.parametrize(
    "how", [{}, {"validation": False}, *({"folds": 3, "fold": fold} for fold in (1, 2, 3))]
)
def test_too_few_different_images_are_refused(grouped, different, how):
    what = "groups" if grouped else "contents"
    with pytest.raises(tl.UsageError, match=f"20 images of {different} {what}, which leaves none"):
        assign_parts(*alike(20, different, grouped), Splitting(**how))


@pytest.mark.parametrize("grouped", [False, True])
def test_enough_different_images_fill_all_parts(grouped):
    for different in range(6, 12):
        parts = assign_parts(*alike(24, different, grouped), Splitting())[2]
        assert set(parts) == set(PARTS)
