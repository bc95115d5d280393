"""What a data source lists before anything is decoded: paths, labels, and what was left out."""

import dataclasses

import numpy as np

from tl_strategies.data.task import Task
from tl_strategies.errors import UsageError

PER_CLASS = 3  # one for each part


@dataclasses.dataclass(frozen=True)
class Listing:
    """Images by path.

    Attributes:
        source: what was asked for, such as "clipart" or "folder:photos".
        paths: of the files.
        labels: index of each file's label, integers of shape (len(paths),).
        task: the labels.
        left_out: path and reason of each file that is not used.
    """

    source: str
    paths: tuple[str, ...]
    labels: np.ndarray
    task: Task
    left_out: tuple[tuple[str, str], ...] = ()

    def without(self, failures: dict[int, str]) -> "Listing":
        """The listing without the files at these positions, which are left out for a reason.

        Raises:
            UsageError: a class is left with fewer than 3 images.
        """
        kept = [i for i in range(len(self.paths)) if i not in failures]
        left_out = [(self.paths[i], reason) for i, reason in failures.items()]
        listing = dataclasses.replace(
            self,
            paths=tuple(self.paths[i] for i in kept),
            labels=self.labels[kept],
            left_out=(*self.left_out, *left_out),
        )
        listing.check_counts()
        return listing

    def check_counts(self) -> None:
        """Refuse classes with too few images to be in every part.

        Raises:
            UsageError: a class has fewer than 3 images; the message names the files left out.
        """
        counts = np.bincount(self.labels, minlength=self.task.label_count)
        few = [
            f"{name!r} with {count}"
            for name, count in zip(self.task.names, counts, strict=True)
            if count < PER_CLASS
        ]
        if not few:
            return
        left_out = "".join(f"\n  left out: {path}: {why}" for path, why in self.left_out[:10])
        raise UsageError(
            f"Each class of {self.source} must have at least {PER_CLASS} readable images, for "
            f"training, validation and test. Received: {', '.join(few)}. Add images, or remove "
            f"the class's folder.{left_out}"
        )
