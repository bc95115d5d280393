"""Checkpoints: after each epoch, all that a run needs to go on, in one file that appears whole."""

import dataclasses
import json
import math
import pathlib
from typing import Any

import numpy as np

from tl_strategies.data.cache import written_aside

LAST = "last.npz"


@dataclasses.dataclass
class Progress:
    """How far a run has come.

    Attributes:
        phase: position of the phase in the plan.
        epoch: how many of its epochs are done.
        best: validation metrics and place of the best epoch so far; empty before the first.
        phase_best: metric and negative loss of the phase's best epoch; empty before its first.
        stale: epochs since then.
        scores: the validation metric after each epoch.
        learning_rate: the peak; None while it is still to be found.
        seconds: spent in `fit` so far.
    """

    phase: int = 0
    epoch: int = 0
    best: dict[str, Any] = dataclasses.field(default_factory=dict)
    phase_best: list[float] = dataclasses.field(default_factory=list)
    stale: int = 0
    scores: list[float] = dataclasses.field(default_factory=list)
    learning_rate: float | None = None
    seconds: float = 0.0

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
        place = {"phase": self.phase, "epoch": self.epoch}
        self.best = {"metric": metric, "loss": loss, **place}
        return True

    def stalled(self, patience: int | None) -> bool:
        """Has the phase gone on for `patience` epochs without improving?"""
        return patience is not None and self.stale >= patience


class Checkpoint:
    """The files below a run's checkpoints/ directory."""

    def __init__(self, directory: pathlib.Path):
        self.directory = directory

    def save_best(self, progress: Progress, weights: list[np.ndarray]) -> None:
        """Keep the weights of the best epoch under a name of their own."""
        self._write(self._best(progress), {str(i): w for i, w in enumerate(weights)})

    def load_best(self, progress: Progress) -> list[np.ndarray]:
        return self._read(self._best(progress))

    def save(self, progress: Progress, variables: list[np.ndarray]) -> None:
        """Keep the state after an epoch; older best weights are removed only then."""
        arrays = {str(i): v for i, v in enumerate(variables)}
        arrays["progress"] = np.array(json.dumps(dataclasses.asdict(progress)))
        self._write(self.directory / LAST, arrays)
        for path in self.directory.glob("best-*.npz"):
            if path != self._best(progress):
                path.unlink()

    def load(self) -> tuple[Progress, list[np.ndarray]] | None:
        """The state after the last whole epoch, or None before the first."""
        path = self.directory / LAST
        if not path.is_file():
            return None
        with np.load(path) as arrays:
            progress = Progress(**json.loads(str(arrays["progress"])))
        return progress, self._read(path)

    def _best(self, progress: Progress) -> pathlib.Path:
        return self.directory / f"best-{progress.best['phase']}-{progress.best['epoch']}.npz"

    def _write(self, path: pathlib.Path, arrays: dict[str, np.ndarray]) -> None:
        with written_aside(path) as aside, aside.open("wb") as file:
            np.savez(file, **arrays)

    def _read(self, path: pathlib.Path) -> list[np.ndarray]:
        with np.load(path) as arrays:
            return [arrays[str(i)] for i in range(len(arrays.files) - ("progress" in arrays))]
