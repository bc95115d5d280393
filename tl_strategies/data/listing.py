"""What a data source lists before anything is decoded: images, labels, and what was left out."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tl_strategies.data.contents import Arrays, Files, Records
from tl_strategies.data.left_out import left_out_lines
from tl_strategies.errors import UsageError, unknown
from tl_strategies.task import Task

PER_CLASS = 3  # one for each part


@dataclasses.dataclass(frozen=True)
class Listing:
    """Images by path. What is given for each image has a row for each path."""

    source: str  # what was asked for, such as "clipart" or "folder:photos"
    paths: tuple[str, ...]  # of the files, or what names each image where there are none
    labels: np.ndarray  # indices into the task's names; of a multilabel task (images, labels), bool
    task: Task
    left_out: tuple[tuple[str, str], ...] = ()  # path and reason of each file that is not used
    contents: Files | Arrays | Records | None = None  # None for the files at `paths`
    parts: np.ndarray | None = None  # "train", "validation" or "test", where the source says
    groups: np.ndarray | None = None  # integers; images of one group stay in one part
    weights: np.ndarray | None = None  # in the loss, float32, where the source has them
    notes: tuple[str, ...] = ()  # what was done to the images or labels as they came

    def __post_init__(self):
        if self.contents is None:
            object.__setattr__(self, "contents", Files(self.paths))

    def only(self, kept: np.ndarray, note: str | None = None) -> "Listing":
        """The listing of the images at some positions; its contents stay those of all."""
        columns = {name: getattr(self, name) for name in ("labels", "parts", "groups", "weights")}
        return dataclasses.replace(
            self,
            paths=tuple(self.paths[i] for i in kept),
            notes=self.notes if note is None else (*self.notes, note),
            **{name: values[kept] for name, values in columns.items() if values is not None},
        )

    def without(self, failures: dict[int, str]) -> "Listing":
        """The listing without the images at these positions, which are left out for a reason."""
        kept = np.array([i for i in range(len(self.paths)) if i not in failures], dtype=int)
        more = [(self.paths[i], reason) for i, reason in failures.items()]
        return dataclasses.replace(self.only(kept), left_out=(*self.left_out, *more))

    def of_classes(self, names: Sequence[str]) -> tuple["Listing", np.ndarray]:
        """The images of some classes, numbered in the order of the names; and their positions."""
        if self.task.multilabel:
            raise UsageError(
                f"Classes can be chosen where an image has one label. Received: {self.source}, "
                "whose images have several."
            )
        for name in names:
            if name not in self.task.names:
                raise unknown("--classes", name, self.task.names)
        if len(set(names)) < 2 or len(set(names)) < len(names):
            raise UsageError(
                "--classes must be two different ones at least, each by a flag of its own. "
                f"Received: {', '.join(names)}."
            )
        number = np.full(self.task.label_count, -1)
        number[[self.task.names.index(name) for name in names]] = np.arange(len(names))
        labels = number[self.labels]
        kept = np.flatnonzero(labels >= 0)
        return dataclasses.replace(self, labels=labels, task=Task(tuple(names))).only(kept), kept

    def counts(self, positions: np.ndarray | slice = slice(None)) -> np.ndarray:
        """How many of the images at some positions have each label."""
        labels = self.labels[positions]
        if self.task.multilabel:
            return labels.sum(axis=0)
        return np.bincount(labels, minlength=self.task.label_count)

    def label_text(self, position: int) -> str:
        """The name of an image's label; of several, with semicolons between them."""
        label = self.labels[position]
        if not self.task.multilabel:
            return self.task.names[label]
        return ";".join(self.task.names[i] for i in np.flatnonzero(label))

    def check_counts(self, classes: Sequence[str] = ()) -> None:
        """Refuse classes with too few images to be in every part.

        Of given classes only those are used. Where parts are given, one image to train on suffices.
        """
        used = set(classes or self.task.names)
        if self.parts is None:
            needed, counts = PER_CLASS, self.counts()
            what = f"at least {PER_CLASS} readable images, for training, validation and test"
        else:
            needed, counts = 1, self.counts(self.parts == "train")
            what = "a readable image in the training part"
        few = [
            f"{name!r} with {count}"
            for name, count in zip(self.task.names, counts, strict=True)
            if count < needed and name in used
        ]
        if not few:
            return
        left_out = "".join(f"\n  left out: {line}" for line in left_out_lines(self.left_out))
        more = f" and {len(few) - 10} more" if len(few) > 10 else ""
        raise UsageError(
            f"Each class of {self.source} must have {what}. Received: {', '.join(few[:10])}{more}. "
            f"Add images, remove the class, or name the others by --classes.{left_out}"
        )
