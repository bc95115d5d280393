"""The task: what the data asks for."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Task:
    """One label out of `names` for each image.

    Attributes:
        names: the labels' names; a label is an index into them.
    """

    names: tuple[str, ...]

    def __post_init__(self):
        if len(self.names) < 2:
            raise ValueError(f"names must hold at least 2 labels. Received: {self.names}")

    @property
    def label_count(self) -> int:
        return len(self.names)
