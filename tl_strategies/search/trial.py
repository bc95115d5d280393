"""Trials: tasks that train a point of the space with each of its seeds."""

import dataclasses
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


@dataclasses.dataclass
class Trials:
    """The context of tasks that are trials, each with so many seeds."""

    trainer: Trainer
    repeats: int

    def run(self, argument: tuple[str, dict[str, Any]]) -> float:
        """Train a trial, by its name and values, with the seeds that are left; its mean score."""
        name, values = argument
        job = self.trainer.job
        trials = job.directory / "trials"
        point = {key: value for key, value in values.items() if not key.startswith("tuner/")}
        file = trials / name / "point.json"
        if read_json(file) not in (None, point):  # another point was tried under this name
            shutil.rmtree(file.parent)
        write_text(file, json.dumps(point) + "\n")
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


@dataclasses.dataclass
class TrialSource:
    """Tasks from the oracle of a search in a directory, which is told how they end."""

    oracle: PersistentOracle
    directory: pathlib.Path
    asked: int = 0

    def take(self) -> Task | None:
        """The next trial; None where there is none now."""
        self.asked += 1
        trial = self.oracle.create_trial(f"task{self.asked}")
        if trial.status != "RUNNING":
            return None
        name, values = trial.trial_id, dict(trial.hyperparameters.values)
        point = ", ".join(f"{key} = {value}" for key, value in values.items())
        return Task(f"trial {name} ({point})", (name, values), self.directory / "trials" / name)

    def end(self, ended: Ended) -> None:
        """Tell the oracle; of a trial that failed keep a line that says why, and the traceback.

        Raises:
            UsageError: the disk is full, so that every other trial would fail too.
        """
        error = ended.error
        trial = self.oracle.get_trial(ended.task.argument[0])
        trial.status = "COMPLETED" if error is None else "FAILED"
        if isinstance(error, OSError) and error.errno in FULL_DISK:
            raise UsageError(
                f"--run_dir must have space. Received: {self.directory}: {error.strerror}. What "
                "was done is kept; make room, and start the same command again."
            ) from error
        if error is None:
            self.oracle.update_trial(trial.trial_id, {OBJECTIVE.name: ended.result})
        else:
            line = " ".join(str(getattr(error, "message", error)).split())
            if not isinstance(error, UsageError | TaskError):
                line = f"{type(error).__name__}: {line}"
            details = getattr(error, "details", "") or "".join(traceback.format_exception(error))
            write_text(ended.task.directory / FAILURE, f"{line}\n\n{details}")
        self.oracle.end_trial(trial)


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
