"""From images, labels and weights in memory, part by part, to a listing."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tl_strategies.data.array_labels import read_labels, read_task, read_weights
from tl_strategies.data.contents import Arrays
from tl_strategies.data.listing import Listing
from tl_strategies.data.pixels import to_uint8
from tl_strategies.errors import UsageError


class Part(NamedTuple):
    """What a part has, as it came.

    Attributes:
        blocks: images; see `image_blocks`.
        labels: see `read_labels`.
        weights: see `read_weights`; None for 1 each.
    """

    blocks: list[np.ndarray]
    labels: Any
    weights: Any = None

    @property
    def count(self) -> int:
        """How many images there are."""
        return sum(map(len, self.blocks))


def list_arrays(
    parts: dict[str, Part],
    source: str,
    names: Sequence[str] | None = None,
    notes: Sequence[str] = (),
) -> Listing:
    """List images in memory by part; without a part but "train", they are split.

    Args:
        parts: by name.
        source: what to call them.
        names: of the labels, where these are numbers from 0.
        notes: what was done to them already.

    Raises:
        UsageError: images, labels or weights are not as they must be; the message calls those of a
            part x_part, y_part and w_part.
    """
    for part, given in parts.items():
        if not given.count:
            raise UsageError(f"x_{part} must have images. Received: none.")
    labels = {part: read_labels(given.labels, f"y_{part}") for part, given in parts.items()}
    for part, given in parts.items():
        if len(labels[part]) != given.count:
            raise UsageError(
                f"y_{part} must have a label for each image of x_{part}. Received: "
                f"{len(labels[part])} for {given.count}."
            )
    if len({(y.ndim, y.shape[1:], y.dtype.kind) for y in labels.values()}) > 1:
        received = ", ".join(f"y_{part} {y.dtype} {y.shape}" for part, y in labels.items())
        raise UsageError(f"Labels of all parts must be alike. Received: {received}.")
    images, scaled = to_uint8({f"x_{part}": given.blocks for part, given in parts.items()})
    numbers, task, renumbered = read_task(np.concatenate([*labels.values()]), names, source)
    return Listing(
        source=source,
        paths=tuple(f"{part}/{i:06}" for part, given in parts.items() for i in range(given.count)),
        labels=numbers,
        task=task,
        contents=Arrays([image for found in images.values() for image in found]),
        parts=np.repeat([*parts], [given.count for given in parts.values()])
        if len(parts) > 1
        else None,
        weights=_weights(parts),
        notes=(*notes, *scaled, *renumbered),
    )


def _weights(parts: dict[str, Part]) -> np.ndarray | None:
    if all(given.weights is None for given in parts.values()):
        return None
    return np.concatenate(
        [
            np.ones(given.count, "float32")
            if given.weights is None
            else read_weights(given.weights, f"w_{part}", given.count)
            for part, given in parts.items()
        ]
    )
