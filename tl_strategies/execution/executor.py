"""The executor: it spreads tasks over this process, several of this machine, or Ray's workers."""

import contextlib
import dataclasses
import os
import pathlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from tl_strategies.errors import UsageError, unknown
from tl_strategies.execution.pool import Died, Pool
from tl_strategies.execution.tasks import Context, Ended, Opening, Task, TaskError
from tl_strategies.execution.worker import DONE, READY, UNOPENED, Message
from tl_strategies.files import read_text
from tl_strategies.settings.groups import Workers
from tl_strategies.settings.schema import check_values

MOST_DEATHS = 2  # of workers at one task that gets no further
MOST_STARTS = 3  # of workers that die before they are ready, one after the other
PATIENCE = 60.0  # seconds after which it is said that workers are waited for
PROGRESS = ("last.npz", "result.json", "metrics.json")  # what a task writes as it gets further
ENGINES = ("local", "ray")
LOGS = "workers"  # directory for what workers print
LAST_LINES = 3  # of a log that are told

Take = Callable[[], Task | None]


def execute(
    take: Take,
    workers: Workers,
    opening: Opening,
    directory: pathlib.Path,
    context: Callable[[], Context] | None = None,
) -> Iterator[Ended]:
    """Run tasks: in this process where one worker is enough, else in workers.

    Workers that die are replaced, and their tasks go on. A task that kills its worker twice, and
    gets no further meanwhile, has failed.

    Args:
        take: gives the next task that can be begun; None where none can before another ends.
        workers: how many there are, and of which kind.
        opening: of the context in each worker.
        directory: gets what workers print.
        context: opens that of this process; None does it as in workers.

    Yields:
        Tasks as they end. Close it where an error ends the loop: workers live as long as it does.

    Raises:
        UsageError: workers cannot be started, or cannot open their context.
    """
    if runs_here(workers):
        yield from _run_here(take, (context or opening)())
        return
    logs = directory / LOGS
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _pool(workers, opening) as pool:
        yield from _Executor(take, workers, pool, logs).run()


def check_workers(workers: Workers) -> None:
    """Refuse workers that nobody can start; leave room for those that can be started.

    Raises:
        UsageError: they cannot be.
    """
    check_values(workers)
    kind = workers.engine.split(":")[0]
    if kind not in ENGINES or (kind == "local" and workers.engine != kind):
        raise unknown("--engine", workers.engine, (*ENGINES, "ray:ADDRESS"))
    if kind == "ray":
        from tl_strategies.execution.ray import check_ray

        check_ray()
    if not runs_here(workers):  # before this process takes all of a GPU
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")


def runs_here(workers: Workers) -> bool:
    """Whether tasks run in this process."""
    return workers.engine == "local" and workers.workers == 1


def in_order(tasks: Iterable[Task]) -> Take:
    """Tasks of which each can be begun at any time."""
    left = iter(tasks)
    return lambda: next(left, None)


def _run_here(take: Take, context: Context) -> Iterator[Ended]:
    while (task := take()) is not None:
        try:
            ended = Ended(task, context.run(task.argument))
        except Exception as error:  # whose it is the caller knows
            ended = Ended(task, error=error)
        yield ended


def _pool(workers: Workers, opening: Opening) -> Pool:
    if workers.engine == "local":
        from tl_strategies.execution.local import LocalPool

        return LocalPool(opening)
    from tl_strategies.execution.ray import RayPool

    return RayPool(opening, workers)


@dataclasses.dataclass
class _Slot:
    """A place for a worker: what it does, and how much memory it held after its first task."""

    started: bool = False
    ready: bool = False
    task: Task | None = None
    size: float | None = None


class _Executor:
    """The state of `execute` where there are workers."""

    def __init__(self, take: Take, workers: Workers, pool: Pool, logs: pathlib.Path):
        self.take = take
        self.growth = workers.memory_growth * 1e9
        self.pool = pool
        self.logs = logs
        self.slots = {number: _Slot() for number in range(workers.workers)}
        self.waiting: list[Task] = []  # begun, and to be gone on with
        self.deaths: dict[str, tuple[int, float]] = defaultdict(lambda: (0, 0.0))
        self.idle_deaths = 0
        self.heard = time.monotonic()

    def run(self) -> Iterator[Ended]:
        while True:
            self._hand_out()
            if not self.waiting and not any(slot.task for slot in self.slots.values()):
                return
            messages = self.pool.wait(1.0)
            self._remind(bool(messages))
            for number, message in messages.items():
                ended = self._heed(number, message)
                if ended is not None:
                    yield ended

    def _hand_out(self) -> None:
        """Give each worker that is ready and idle a task, and start workers for what is left."""
        for number, slot in self.slots.items():
            if slot.ready and slot.task is None:
                slot.task = self.waiting.pop(0) if self.waiting else self.take()
                if slot.task is None:
                    return
                self.pool.send(number, slot.task.argument)
        starting = sum(slot.started and not slot.ready for slot in self.slots.values())
        for number, slot in self.slots.items():
            if not slot.started:
                if len(self.waiting) <= starting:
                    task = self.take()
                    if task is None:
                        return
                    self.waiting.append(task)
                self._start(number)
                starting += 1

    def _start(self, number: int) -> None:
        log = self._log(number)
        if log.is_file():
            log.replace(log.with_suffix(".before.log"))
        self.slots[number] = _Slot(started=True)
        self.pool.start(number, log)

    def _heed(self, number: int, message: Message | Died) -> Ended | None:
        """What a message means: a task that has ended, or none."""
        slot = self.slots[number]
        if isinstance(message, Died):
            return self._bury(number)
        kind, result, size = message
        if kind == READY:
            slot.ready = True
            self.idle_deaths = 0
            return None
        if kind == UNOPENED:
            raise result
        task, slot.task = slot.task, None
        if task.measured:
            slot.size = slot.size or size
        if size - (slot.size or size) > self.growth:
            print(f"a worker that has grown to {size / 1e9:.1f} GB is replaced", flush=True)
            self.pool.stop(number)
            self.slots[number] = _Slot()
        return Ended(task, result) if kind == DONE else Ended(task, error=result)

    def _bury(self, number: int) -> Ended | None:
        task, words = self.slots[number].task, self._last_words(number)
        self.slots[number] = _Slot()
        if task is None:
            self.idle_deaths += 1
            if self.idle_deaths >= MOST_STARTS:
                raise UsageError(
                    f"Workers must start. Received: {self.idle_deaths} that died at once{words}. "
                    f"Their logs are in {self.logs}."
                )
            return None
        deaths, mark = self.deaths[task.name]
        now = _mark(task.directory)
        deaths = deaths + 1 if now == mark else 1
        self.deaths[task.name] = deaths, now
        if deaths < MOST_DEATHS:
            print(f"a worker died at {task.name}, which goes on in another one", flush=True)
            self.waiting.insert(0, task)
            return None
        return Ended(task, error=TaskError(f"it killed its process {deaths} times{words}"))

    def _last_words(self, number: int) -> str:
        with contextlib.suppress(OSError):
            lines = read_text(self._log(number)).strip().splitlines()[-LAST_LINES:]
            return "; its log ends: " + " | ".join(lines) if lines else ""
        return ""

    def _log(self, number: int) -> pathlib.Path:
        return self.logs / f"worker{number}.log"

    def _remind(self, heard: bool) -> None:
        """Say, where no worker has become ready for long, that one is waited for."""
        working = heard or any(slot.ready for slot in self.slots.values())
        if working:
            self.heard = time.monotonic()
        elif time.monotonic() - self.heard > PATIENCE:
            self.heard = time.monotonic()
            print("waiting for workers to become ready", flush=True)


def _mark(directory: pathlib.Path) -> float:
    """When a task in a directory has last got further."""
    times = [0.0]
    for name in PROGRESS:
        for path in directory.rglob(name):
            with contextlib.suppress(OSError):
                times.append(path.stat().st_mtime)
    return max(times)
