"""The prefix pass by workers: each computes the features of some images; the store has them all."""

import contextlib
import dataclasses
import pathlib
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from tl_strategies.data.split import PARTS
from tl_strategies.execution.executor import Take, execute, runs_here
from tl_strategies.execution.tasks import Context, Ended, Opening, Task
from tl_strategies.runs.job import Job, open_job, replan
from tl_strategies.runs.trainer import Trainer
from tl_strategies.settings.groups import Workers
from tl_strategies.settings.run import Settings
from tl_strategies.store.store import Store
from tl_strategies.store.wanted import Wanted
from tl_strategies.tracking.progress import TaskLines
from tl_strategies.training.features import Features
from tl_strategies.training.forward import BATCH

ROWS = 10 * BATCH  # of a share, at least: a worker that dies loses little
SHARES = 8  # for each worker, where images are many: the last ones end together


@dataclasses.dataclass(frozen=True)
class Share:
    """Rows of a prefix pass that one worker computes.

    Attributes:
        settings: of a run with that prefix.
        depths: at which features are kept.
        parts: of the data whose rows there are.
        start, stop: the rows among them.
    """

    settings: Settings
    depths: tuple[int, ...]
    parts: tuple[str, ...]
    start: int
    stop: int


def make_shares(
    trainer: Trainer,
    job: Job,
    features: Features,
    depths: Iterable[int],
    workers: Workers,
    parts: Sequence[str] = PARTS,
) -> list[Task]:
    """Tasks that compute what the store lacks; none where this process does all work.

    Args:
        trainer: of the data.
        job: of a run with the prefix.
        features: of that run's model.
        depths: at which features are wanted.
        workers: who does it.
        parts: of the data.
    """
    kept = tuple(depth for depth in sorted(set(depths)) if features.kept(depth))
    if runs_here(workers) or not kept or not _portable(job.settings):
        return []
    wanted = _wanted(trainer, features, job.settings, kept, parts)
    if sum(rows.bytes for rows in wanted) > features.store.limit:
        return []
    missing, promised = [], 0
    for rows in wanted:
        missing.append(features.store.make_room(rows, promised))
        promised += len(missing[-1]) * rows.bytes // len(rows.keys)
    count = len(wanted[0].keys)
    size = max(ROWS, BATCH * (count // (BATCH * SHARES * workers.workers)))
    tasks = []
    for start in (np.unique(np.concatenate(missing) // size) * size).tolist():
        stop = min(start + size, count)
        name = f"features of rows {start + 1} to {stop} of {count}"
        share = Share(job.settings, kept, tuple(parts), start, stop)
        tasks.append(Task(name, share, job.directory, measured=False))
    return tasks


def _portable(settings: Settings) -> bool:
    """Whether workers can be sent settings: a function of a user's may stand in them."""
    try:
        pickle.dumps(settings)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True


def _wanted(
    trainer: Trainer,
    features: Features,
    settings: Settings,
    depths: Sequence[int],
    parts: Sequence[str],
) -> list[Wanted]:
    inputs = trainer.inputs(features, settings)
    return [features.wanted(depth, {part: inputs[part] for part in parts}) for depth in depths]


class Sharing:
    """A context that computes shares before it runs the tasks of another one.

    Args:
        context: the other one, with a trainer.
    """

    def __init__(self, context: Context):
        self.context = context
        self._held: tuple[Any, Store, list[Wanted]] = (None, Store(None), [])

    def run(self, argument: Any) -> Any:
        """Compute a share, or do another task."""
        if not isinstance(argument, Share):
            self._held = None, Store(None), []
            return self.context.run(argument)
        whole = argument.settings.to_config(), argument.depths, argument.parts
        if self._held[0] != whole:
            trainer, settings = self.context.trainer, argument.settings
            features = trainer.features(replan(trainer.job, settings, trainer.job.directory))
            wanted = _wanted(trainer, features, settings, argument.depths, argument.parts)
            self._held = whole, features.store, wanted
        for rows in self._held[2]:
            self._held[1].share(rows, np.arange(argument.start, argument.stop))
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
            error = getattr(ended.error, "message", ended.error)
            lines.write(ended.task.name if error is None else f"{ended.task.name}: {error}")


def prefetch_by(workers: Workers, trainer: Trainer, job: Job, features: Features) -> None:
    """Have workers compute a run's features, at the depth that no phase trains."""
    parts = ("train", "validation")  # the saved model is evaluated on images
    shares = make_shares(trainer, job, features, [features.plan.frozen_depth], workers, parts)
    if shares:  # else nothing is to be opened
        opening = Opening(f"{__name__}:open_run", (job.settings, job.directory))
        list(execute_after(shares, lambda: None, workers, opening, job.directory))
