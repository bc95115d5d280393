"""A trial: trainings that share decoded images, backbone and features with all other trials."""

import dataclasses
import json
import pathlib
import shutil
from typing import Any

from tl_strategies.data.images import Images
from tl_strategies.data.store import Store
from tl_strategies.files import read_json, write_text
from tl_strategies.search.settings import SearchSettings
from tl_strategies.search.space import trial_settings
from tl_strategies.training.checkpoint import copy_checkpoints
from tl_strategies.training.evaluate import evaluate_features, write_scores
from tl_strategies.training.inputs import fitted_inputs, part_inputs
from tl_strategies.training.job import Job, planned
from tl_strategies.training.run import make_engine, open_data
from tl_strategies.training.settings import Settings

RESULT, POINT = "result.json", "point.json"


@dataclasses.dataclass(frozen=True)
class Bench:
    """What all trials of a process share.

    Attributes:
        job: of the search, with the backbone.
        images: the data set.
        store: of features.
    """

    job: Job
    images: Images
    store: Store

    @classmethod
    def open(cls, job: Job) -> "Bench":
        return cls(job, *open_data(job))

    def trial(self, search: SearchSettings, values: dict[str, Any], trial_id: str) -> list[dict]:
        """Train a point with each of its seeds, or with those that are left.

        Args:
            search: says how many seeds.
            values: of the hyper-parameters.
            trial_id: names the directory.

        Returns:
            A result for each seed.
        """
        directory = self.job.directory / "trials" / trial_id
        _begin(directory, values)
        earlier = values.get("tuner/trial_id")
        results = []
        for seed in range(self.job.settings.seed, self.job.settings.seed + search.repeats):
            place = directory / f"seed{seed}"
            if earlier:
                copy_checkpoints(self.job.directory / "trials" / earlier / f"seed{seed}", place)
            settings = trial_settings(self.job.settings, values, seed)
            results.append(self.train(settings, place, values.get("tuner/epochs")))
        return results

    def train(
        self, settings: Settings, directory: pathlib.Path, stop_after: int | None = None
    ) -> dict[str, Any]:
        """Train and evaluate once; what lies in the directory already is not done again."""
        result = directory / RESULT
        done = read_json(result)
        if done is not None:
            return done
        job = planned(self.job, settings, directory)
        engine = make_engine(job, self.images, self.store)
        engine.stop_after = stop_after
        features = engine.features
        depth = features.frozen_depth
        if features.kept(depth):  # one pass for all parts
            inputs = fitted_inputs(self.images, settings, kept=True)
            features.fetch(depth, {**inputs, "test": part_inputs(self.images, "test")})
        engine.train()
        scores = evaluate_features(features)
        write_scores(engine.tracker, scores)
        engine.tracker.flush()
        content = {
            "n": job.plan.n,
            "seed": settings.seed,
            **{f"{part}_{name}": scores[part][name] for part in scores for name in scores[part]},
            **{f"{part}_score": scores[part][job.task.metric] for part in scores},
            "seconds": engine.progress.seconds + features.seconds,
        }
        write_text(result, json.dumps(content, indent=1) + "\n")
        return content


def _begin(directory: pathlib.Path, values: dict[str, Any]) -> None:
    """Note the point of a trial; what another point has left under its name is dropped."""
    point = {name: value for name, value in values.items() if not name.startswith("tuner/")}
    if read_json(directory / POINT) not in (None, point):
        shutil.rmtree(directory)
    write_text(directory / POINT, json.dumps(point) + "\n")


def point_job(job: Job, point: dict[str, Any]) -> Job:
    """The job of a point's first training; see planned."""
    return planned(job, trial_settings(job.settings, point, job.settings.seed), job.directory)


def fails(job: Job, point: dict[str, Any]) -> bool:
    """Whether the strategy cannot plan a point; its trial will say why."""
    try:
        point_job(job, point)
    except Exception:  # a user's strategy may raise anything
        return True
    return False
