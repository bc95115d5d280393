"""The prefix pass by workers: each computes the features of some images; the store has them all."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tl_strategies.execution.executor import Take, execute, runs_here
from tl_strategies.execution.tasks import Context, Ended, Opening, Task
from tl_strategies.runs.job import Job, open_job, replan
from tl_strategies.runs.trainer import Trainer
from tl_strategies.settings.groups import Workers
from tl_strategies.settings.run import Settings
from tl_strategies.tracking.progress import TaskLines
from tl_strategies.training.features import Features
from tl_strategies.training.forward import BATCH

ROWS = 10 * BATCH  # of a share: a worker that dies loses little, and the last ones end together


@dataclasses.dataclass(frozen=True)
class Share:
    """Rows of a prefix pass that one worker computes.

    Attributes:
        settings: of a run with that prefix.
        depths: at which features are kept.
        start, stop: the rows, of all that the run needs.
    """

    settings: Settings
    depths: tuple[int, ...]
    start: int
    stop: int


def make_shares(
    trainer: Trainer, job: Job, features: Features, depths: Sequence[int], workers: Workers
) -> list[Task]:
    """Tasks that compute what the store lacks; none where this process does all work.

    Args:
        trainer: of the data.
        job: of a run with the prefix.
        features: of that run's model.
        depths: at which features are wanted.
        workers: who does it.
    """
    if runs_here(workers):
        return []
    kept = tuple(depth for depth in sorted(set(depths)) if features.kept(depth))
    inputs = trainer.inputs(features, job.settings) if kept else {}
    wanted = [features.wanted(depth, inputs) for depth in kept]
    if not kept or sum(rows.bytes for rows in wanted) > features.store.limit:
        return []
    blocks = np.unique(np.concatenate([features.store.make_room(rows) for rows in wanted]) // ROWS)
    count = len(wanted[0].keys)
    tasks = []
    for start in (blocks * ROWS).tolist():
        stop = min(start + ROWS, count)
        name = f"features of rows {start + 1} to {stop} of {count}"
        tasks.append(Task(name, Share(job.settings, kept, start, stop), job.directory))
    return tasks


class Sharing:
    """A context that computes shares before it runs the tasks of another one.

    Args:
        context: the other one, with a trainer.
    """

    def __init__(self, context: Context):
        self.context = context
        self._features: tuple[Settings, Features] | None = None

    def run(self, argument: Any) -> Any:
        """Compute a share, or do another task."""
        if not isinstance(argument, Share):
            self._features = None
            return self.context.run(argument)
        trainer = self.context.trainer
        if self._features is None or self._features[0] != argument.settings:
            job = replan(trainer.job, argument.settings, trainer.job.directory)
            self._features = argument.settings, trainer.features(job)
        features = self._features[1]
        inputs = trainer.inputs(features, argument.settings)
        for depth in argument.depths:
            rows = np.arange(argument.start, argument.stop)
            features.store.share(features.wanted(depth, inputs), rows)
        return None


def open_sharing(opening: Opening) -> Sharing:
    """The context of a worker."""
    return Sharing(opening())


class OneRun:
    """The context of workers that do the prefix pass of a run, which trains elsewhere."""

    def __init__(self, trainer: Trainer):
        self.trainer = trainer


def open_run(settings: Settings, directory: pathlib.Path) -> OneRun:
    """The context of a worker."""
    return OneRun(Trainer(open_job(settings, directory)))


def execute_after(
    shares: list[Task],
    take: Take,
    workers: Workers,
    opening: Opening,
    directory: pathlib.Path,
    context: Callable[[], Context] | None = None,
) -> Iterator[Ended]:
    """See `execute`; the other tasks begin when all shares have ended.

    What a share could not compute is left to those who need it.
    """
    if not shares:
        yield from execute(take, workers, opening, directory, context)
        return
    left, running = list(shares), set()
    lines = TaskLines(len(shares))

    def take_share() -> Task | None:
        if not left:
            return None if running else take()
        running.add(left[0].name)
        return left.pop(0)

    sharing = Opening(f"{__name__}:open_sharing", (opening,))
    with contextlib.closing(execute(take_share, workers, sharing, directory)) as work:
        for ended in work:
            if ended.task.name not in running:
                yield ended
                continue
            running.remove(ended.task.name)
            lines.write(ended.task.name if ended.error is None else f"{ended.error}")


def prefetch_by(workers: Workers, trainer: Trainer, job: Job, features: Features) -> None:
    """Have workers compute a run's features, at the depth that no phase trains."""
    shares = make_shares(trainer, job, features, [features.frozen_depth], workers)
    if shares:  # else nothing is to be opened
        opening = Opening(f"{__name__}:open_run", (job.settings, job.directory))
        list(execute_after(shares, lambda: None, workers, opening, job.directory))
