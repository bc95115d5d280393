"""KerasTuner's loop over trials, run by the search itself or by a worker."""

import json
import os
import pathlib
import statistics
import sys
import time
import traceback

from keras_tuner import Oracle
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial
from keras_tuner.errors import FailedTrialError, FatalError

from tl_strategies.errors import FULL_DISK, UsageError
from tl_strategies.files import read_json, read_text, write_text
from tl_strategies.search.oracles import FAILURE
from tl_strategies.search.settings import SearchSettings
from tl_strategies.search.trial import Bench
from tl_strategies.training.checkpoint import LAST
from tl_strategies.training.memory import resident

MOST_ATTEMPTS = 2  # at one epoch of a trial, each of which killed its process
SESSION = "session.txt"  # names the chief's process


class Runner(BaseTuner):
    """Runs the trials that an oracle hands out.

    Args:
        oracle: of the search; where KerasTuner's environment variables name a chief, that is asked.
        bench: what trials share.
        search: the settings.
    """

    def __init__(self, oracle: Oracle, bench: Bench, search: SearchSettings):
        self.bench = bench
        self.settings = search
        self.first_size: float | None = None
        self.idle = False
        self.run_directory = bench.job.directory
        super().__init__(oracle, directory=str(self.run_directory), project_name="trials")

    def run_trial(self, trial: Trial) -> dict[str, float]:
        """Train a point; returns the mean of its seeds' validation accuracies."""
        self.idle = False
        directory = self.run_directory / "trials" / trial.trial_id
        try:
            self._count_attempt(directory)
            trial.hyperparameters.ensure_active_values()  # the protocol adds inactive ones
            values = dict(trial.hyperparameters.values)
            results = self.bench.trial(self.settings, values, trial.trial_id)
        except OSError as error:
            if error.errno in FULL_DISK:  # so would be every other trial
                raise FatalError(f"{self.run_directory}: {error.strerror}") from error
            self._note_failure(directory, error)
            raise
        except Exception as error:
            self._note_failure(directory, error)
            raise
        return {"validation_score": statistics.fmean(r["validation_score"] for r in results)}

    def _count_attempt(self, directory: pathlib.Path) -> None:
        """Give up a trial that keeps killing its process without getting any further.

        A search that is killed and started again begins to count anew.
        """
        session = self.run_directory / SESSION
        if not session.is_file():
            return
        file = directory / "attempts.json"
        done = [path.parent.name for path in sorted(directory.glob("seed*/result.json"))]
        done += [str(path.stat().st_mtime_ns) for path in sorted(directory.glob(f"*/*/{LAST}"))]
        mark = [read_text(session), *done]
        seen = read_json(file) or {}
        attempts = 1 + (seen["attempts"] if seen.get("mark") == mark else 0)
        write_text(file, json.dumps({"mark": mark, "attempts": attempts}))
        if attempts > MOST_ATTEMPTS:
            file.unlink()
            raise FailedTrialError(
                f"it killed its process {MOST_ATTEMPTS} times{self._last_words()}"
            )

    def _last_words(self) -> str:
        """The last lines of the log before this process began."""
        old = earlier_log(self.run_directory, self.settings.worker)
        if not old.is_file():
            return ""
        return "; its log ends: " + " | ".join(read_text(old).strip().splitlines()[-3:])

    def _note_failure(self, directory: pathlib.Path, error: Exception) -> None:
        """Keep what happened: a line that says it, then the traceback."""
        said = isinstance(error, UsageError | FailedTrialError)
        message = " ".join(str(error).split())
        line = message if said else f"{type(error).__name__}: {message}"
        write_text(directory / FAILURE, f"{line}\n\n{traceback.format_exc()}")

    def pre_create_trial(self) -> None:
        if self.idle:  # the oracle has nothing to do yet
            time.sleep(0.2)
        self.idle = True

    def on_trial_end(self, trial: Trial) -> None:
        super().on_trial_end(trial)
        size = resident()
        self.first_size = self.first_size or size
        if self.settings.worker and size - self.first_size > self.settings.memory_growth * 1e9:
            print(f"replacing this process, which has grown to {size / 1e9:.1f} GB", flush=True)
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])

    def save(self) -> None:
        """Nothing: the oracle saves itself."""


def log_file(directory: pathlib.Path, worker: str) -> pathlib.Path:
    """Where the output of a worker of a search goes."""
    return directory / "workers" / f"{worker}.log"


def earlier_log(directory: pathlib.Path, worker: str) -> pathlib.Path:
    """The log of the worker's process that died last."""
    return directory / "workers" / f"{worker}.died.log"
