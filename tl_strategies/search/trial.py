"""Trials: tasks that train a point of the space with each of its seeds."""

import json
import pathlib
import shutil
import statistics
import traceback
from typing import Any

from tl_strategies.errors import FULL_DISK, UsageError
from tl_strategies.execution.tasks import Ended, Task, TaskError
from tl_strategies.files import read_json, write_text
from tl_strategies.runs.job import Job, open_job, replan
from tl_strategies.runs.trainer import Trainer
from tl_strategies.search.oracles import FAILURE, OBJECTIVE, PersistentOracle
from tl_strategies.search.settings import SearchSettings
from tl_strategies.search.space import trial_settings
from tl_strategies.settings.run import Settings
from tl_strategies.training.checkpoint import copy_checkpoints

POINT = "point.json"


class Trials:
    """The context of tasks that are trials.

    Args:
        trainer: of the data and the backbone that they share.
        repeats: how many seeds each has.
    """

    def __init__(self, trainer: Trainer, repeats: int):
        self.trainer = trainer
        self.repeats = repeats

    def run(self, argument: tuple[str, dict[str, Any]]) -> float:
        """Train a point with the seeds that are left; the mean of their validation scores.

        Args:
            argument: the trial's name and the values of its hyper-parameters.
        """
        name, values = argument
        job = self.trainer.job
        trials = job.directory / "trials"
        _begin(trials / name, values)
        earlier = values.get("tuner/trial_id")
        scores = []
        for seed in range(job.settings.seed, job.settings.seed + self.repeats):
            directory = trials / name / f"seed{seed}"
            if earlier:
                copy_checkpoints(trials / earlier / directory.name, directory)
            settings = trial_settings(job.settings, values, seed)
            result = self.trainer.train(settings, directory, values.get("tuner/epochs"))
            scores.append(result["validation_score"])
        return statistics.fmean(scores)


def open_trials(settings: Settings, search: SearchSettings, directory: pathlib.Path) -> Trials:
    """The context of a worker."""
    return Trials(Trainer(open_job(settings, directory)), search.repeats)


class TrialSource:
    """Tasks from an oracle, which is told how they end.

    Args:
        oracle: of the search.
        directory: of the search.
    """

    def __init__(self, oracle: PersistentOracle, directory: pathlib.Path):
        self.oracle = oracle
        self.directory = directory
        self.asked = 0

    def take(self) -> Task | None:
        """The next trial; None where there is none now."""
        self.asked += 1
        trial = self.oracle.create_trial(f"task{self.asked}")
        if trial.status != "RUNNING":
            return None
        values = dict(trial.hyperparameters.values)
        point = ", ".join(f"{name} = {value}" for name, value in values.items())
        argument = (trial.trial_id, values)
        return Task(
            f"trial {trial.trial_id} ({point})", argument, self.directory / "trials" / argument[0]
        )

    def end(self, ended: Ended) -> None:
        """Tell the oracle.

        Raises:
            UsageError: the disk is full, so that every other trial would fail too.
        """
        trial = self.oracle.get_trial(ended.task.argument[0])
        trial.status = "COMPLETED" if ended.error is None else "FAILED"
        if ended.error is None:
            self.oracle.update_trial(trial.trial_id, {OBJECTIVE.name: ended.result})
        else:
            self._note(ended)
        self.oracle.end_trial(trial)

    def _note(self, ended: Ended) -> None:
        """Keep what happened: a line that says it, then the traceback."""
        error = ended.error
        if isinstance(error, OSError) and error.errno in FULL_DISK:
            raise UsageError(
                f"--run_dir must have space. Received: {self.directory}: {error.strerror}. What "
                "was done is kept; make room, and start the same command again."
            ) from error
        line = " ".join(str(getattr(error, "message", error)).split())
        if not isinstance(error, UsageError | TaskError):
            line = f"{type(error).__name__}: {line}"
        details = getattr(error, "details", "") or "".join(traceback.format_exception(error))
        write_text(ended.task.directory / FAILURE, f"{line}\n\n{details}")


def _begin(directory: pathlib.Path, values: dict[str, Any]) -> None:
    """Note the point of a trial; what another point has left under its name is dropped."""
    point = {name: value for name, value in values.items() if not name.startswith("tuner/")}
    if read_json(directory / POINT) not in (None, point):
        shutil.rmtree(directory)
    write_text(directory / POINT, json.dumps(point) + "\n")


def point_job(job: Job, point: dict[str, Any]) -> Job:
    """The job of a point's first training; see replan."""
    return replan(job, trial_settings(job.settings, point, job.settings.seed), job.directory)


def fails(job: Job, point: dict[str, Any]) -> bool:
    """Whether the strategy cannot plan a point; its trial will say why."""
    try:
        point_job(job, point)
    except Exception:  # a user's strategy may raise anything
        return True
    return False
