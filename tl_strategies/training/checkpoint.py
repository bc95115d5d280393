"""Checkpoints: after each epoch, all that a run needs to go on, in one file that appears whole."""

import dataclasses
import json
import math
import pathlib
import shutil
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from tl_strategies.files import atomic_write
from tl_strategies.opening import open_regular

LAST, BEFORE = "last.npz", "before.npz"


@dataclasses.dataclass
class Progress:
    """How far a run has come."""

    phase: int = 0  # its position in the plan
    epoch: int = 0  # how many of its epochs are done
    best: dict[str, Any] = dataclasses.field(default_factory=dict)  # metrics and place of an epoch
    phase_best: list[float] = dataclasses.field(default_factory=list)  # metric, negative loss
    stale: int = 0  # epochs since the phase's best
    scores: list[float] = dataclasses.field(default_factory=list)  # validation metric by epoch
    learning_rate: float | None = None  # the peak; None while it is still to be found
    seconds: float = 0.0  # spent in `fit` so far

    def start_phase(self, phase: int) -> None:
        """Begin a phase."""
        self.phase, self.epoch, self.phase_best, self.stale = phase, 0, [], 0

    def note(self, metric: float, loss: float) -> bool:
        """Take note of an epoch; is it the run's best: more accurate, or so at a lower loss?"""
        loss = loss if math.isfinite(loss) else math.inf
        score = [metric, -loss]
        self.stale += 1
        if score > self.phase_best:
            self.phase_best, self.stale = score, 0
        if self.best and score <= [self.best["metric"], -self.best["loss"]]:
            return False
        self.best = {"metric": metric, "loss": loss, "phase": self.phase, "epoch": self.epoch}
        return True

    def stalled(self, patience: int | None) -> bool:
        """Has the phase gone on for `patience` epochs without improving?"""
        return patience is not None and self.stale >= patience


class Checkpoint:
    """The files below a run's checkpoints/ directory: the last state, and the one before it."""

    def __init__(self, directory: pathlib.Path):
        self.directory = directory
        self._needed: pathlib.Path | None = None  # the best weights that the last state refers to

    def save_best(self, progress: Progress, weights: list[np.ndarray]) -> None:
        """Keep the weights of the best epoch under a name of their own."""
        with atomic_write(self._best(progress)) as aside:
            _save(aside, weights)

    def load_best(self, progress: Progress) -> list[np.ndarray]:
        return self._read(self._best(progress))[1]

    def save(self, progress: Progress, variables: list[np.ndarray]) -> None:
        """Keep the state after an epoch; best weights that no state needs are removed then."""
        text = json.dumps(dataclasses.asdict(progress))
        last = self.directory / LAST
        with atomic_write(last) as aside:
            _save(aside, variables, progress=np.array(text))
            if last.is_file():
                last.replace(self.directory / BEFORE)
        kept = {self._best(progress), self._needed}
        self._needed = self._best(progress)
        for path in self.directory.glob("best-*.npz"):
            if path not in kept:
                path.unlink()

    def load(self) -> tuple[Progress, list[np.ndarray]] | None:
        """The state after the last whole epoch, or None before the first.

        A damaged state, or one whose best weights are, is as none: the one before it counts.
        """
        for name in (LAST, BEFORE):
            path = self.directory / name
            if not path.is_file():
                continue
            try:
                progress, variables = self._read(path)
                self.load_best(progress)
            except Exception as error:  # of zip and NumPy, of many kinds; all mean damage
                print(f"a damaged checkpoint is not used: {path}: {error}", flush=True)
                continue
            self._needed = self._best(progress)
            return progress, variables
        return None

    def _best(self, progress: Progress) -> pathlib.Path:
        return self.directory / f"best-{progress.best['phase']}-{progress.best['epoch']}.npz"

    def _read(self, path: pathlib.Path) -> tuple[Progress | None, list[np.ndarray]]:
        """The progress, where there is one, and the variables; every byte has its checksum."""
        with open_regular(path) as file, np.load(file) as arrays:
            values = {name: arrays[name] for name in arrays.files}
        text = values.pop("progress", None)
        progress = None if text is None else Progress(**json.loads(str(text)))
        return progress, [values[str(i)] for i in range(len(values))]


def _save(path: pathlib.Path, variables: list[np.ndarray], **others: np.ndarray) -> None:
    arrays = {str(i): value for i, value in enumerate(variables)}
    with path.open("wb") as file:  # NumPy would add an ending to a name
        np.savez(file, **arrays, **others)


def values_of(variables: Iterable[Any]) -> list[np.ndarray]:
    """Copies of the values of Keras variables."""
    return [keras.ops.convert_to_numpy(variable).copy() for variable in variables]


def assign(variables: Iterable[Any], values: Iterable[np.ndarray]) -> None:
    """Give Keras variables these values."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def copy_checkpoints(earlier: pathlib.Path, directory: pathlib.Path) -> None:
    """Begin a training in a directory where an earlier one has ended."""
    target = directory / "checkpoints"
    if not target.exists() and (earlier / "checkpoints").is_dir():
        with atomic_write(target) as aside:
            shutil.copytree(earlier / "checkpoints", aside)
