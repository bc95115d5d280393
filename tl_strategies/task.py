"""The task: what the data asks for."""

import dataclasses

from tl_strategies.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Task:
    """One label out of `names` for each image, or any number of them.

    Attributes:
        names: the labels' names; a label is an index into them.
        multilabel: whether an image may have several labels, or none.

    Raises:
        UsageError: a name is empty, has a blank at an end, is not printable on one line, or is
            there twice: labels.txt and predictions.csv could not tell.
    """

    names: tuple[str, ...]
    multilabel: bool = False

    def __post_init__(self):
        if len(self.names) < 2 - self.multilabel:
            raise ValueError(f"names must hold at least 2 labels. Received: {self.names}")
        for name in self.names:
            if not name or name != name.strip() or not name.isprintable():
                raise UsageError(
                    "A label must be printable text on one line, without blanks at its ends. "
                    f"Received: {name!r}. Give it another name."
                )
        if len(set(self.names)) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise UsageError(f"Labels must have names of their own. Received: {twice!r} twice.")

    @property
    def label_count(self) -> int:
        return len(self.names)

    @property
    def metric(self) -> str:
        """The name of the metric that is to be high."""
        return "mean_average_precision" if self.multilabel else "accuracy"
