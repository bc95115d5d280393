"""The task: what the data asks for."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Task:
    """One label out of `names` for each image, or any number of them.

    Attributes:
        names: the labels' names; a label is an index into them.
        multilabel: whether an image may have several labels, or none.
    """

    names: tuple[str, ...]
    multilabel: bool = False

    def __post_init__(self):
        if len(self.names) < 2 - self.multilabel:
            raise ValueError(f"names must hold at least 2 labels. Received: {self.names}")

    @property
    def label_count(self) -> int:
        return len(self.names)

    @property
    def metric(self) -> str:
        """The name of the metric that is to be high."""
        return "mean_average_precision" if self.multilabel else "accuracy"
