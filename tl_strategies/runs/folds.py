"""Cross-validation: a run for each fold, then the mean and the spread of their metrics."""

import contextlib
import csv
import dataclasses
import io
import pathlib
import statistics
from typing import Any

import numpy as np

from tl_strategies.execution.executor import in_order, runs_here
from tl_strategies.execution.tasks import Opening, Task
from tl_strategies.files import csv_text, read_text, write_text
from tl_strategies.metrics import score, score_classes
from tl_strategies.runs.job import Job, open_job, replan
from tl_strategies.runs.manifest import held, to_json
from tl_strategies.runs.run import Run, run
from tl_strategies.runs.shares import execute_after, make_shares
from tl_strategies.runs.trainer import Trainer
from tl_strategies.settings.groups import Workers
from tl_strategies.settings.run import Settings
from tl_strategies.tracking.figures import confusion_figure, save_figure
from tl_strategies.tracking.progress import TaskLines

PARTS, PREDICTIONS = ("test", "validation"), "predictions.csv"


class Folds:
    """The context of tasks that are folds."""

    def __init__(self, job: Job):
        self.job = job
        self.trainer = Trainer(job)

    def run(self, fold: int) -> dict[str, Any]:
        """The metrics of a fold's run."""
        print(f"fold {fold} of {self.job.settings.folds}", flush=True)
        return run(fold_job(self.job, fold), self.trainer).metrics


def fold_job(job: Job, fold: int) -> Job:
    """The job of a fold among all."""
    directory = job.directory / f"fold{fold}"
    settings = dataclasses.replace(job.settings, fold=fold, run_dir=str(directory), resume=True)
    return dataclasses.replace(job, settings=settings, directory=directory)


def open_folds(settings: Settings, directory: pathlib.Path) -> Folds:
    """The context of a worker."""
    job = open_job(settings, directory)
    return Folds(replan(job, job.settings, directory))


def run_folds(job: Job, workers: Workers) -> Run:
    """Do the runs of all folds, or what is left of them, in fold1/, fold2/ and so on.

    What they have in common is a run without a model: its metrics are the means of theirs, with
    their standard deviations in `spread`, and its predictions are theirs of all images, each of
    which one of them has tested on.
    """
    with held(job.directory, job.settings.resume):
        folds = _each_fold(job, workers)
        metrics = {**folds[0], "folds": len(folds), "spread": {}, "calibration": {}}
        metrics |= pool(job, len(folds))
        for part in PARTS:
            values = {name: [fold[part][name] for fold in folds] for name in folds[0][part]}
            metrics[part] = {name: statistics.fmean(scores) for name, scores in values.items()}
            metrics["spread"][part] = {name: statistics.stdev(v) for name, v in values.items()}
        spent = [fold["seconds"] for fold in folds]
        metrics["seconds"] = {name: sum(seconds[name] for seconds in spent) for name in spent[0]}
        write_text(job.directory / "metrics.json", to_json(metrics))
        return Run(job.directory, metrics, job.plan)


def pool(job: Job, count: int) -> dict[str, Any]:
    """What the test images of all folds show together; writes their predictions, and a figure.

    Returns:
        Metrics over all of them, `pooled`, and of each class.
    """
    from sklearn.metrics import confusion_matrix

    listing, classes = job.listing, job.settings.classes
    listing = listing.of_classes(classes)[0] if classes else listing
    label_of = dict(zip(listing.paths, listing.labels, strict=True))
    lines, names = [], listing.task.names
    for fold in range(1, count + 1):
        text = read_text(job.directory / f"fold{fold}" / PREDICTIONS)
        heads, *rows = csv.reader(io.StringIO(text))
        lines += [row for row in rows if row[heads.index("part")] == "test"]
    write_text(job.directory / PREDICTIONS, csv_text([heads, *lines]))
    probabilities = np.array([row[-len(names) :] for row in lines], "float64")
    labels = np.array([label_of[row[0]] for row in lines])
    pooled = score(probabilities, labels)
    if labels.ndim == 1:
        matrix = confusion_matrix(labels, probabilities.argmax(axis=1), labels=range(len(names)))
        title = f"{len(labels)} images of {count} folds, accuracy {pooled['accuracy']:.3f}"
        figure = confusion_figure(matrix, names, title)
        save_figure(figure, job.directory / "confusion_matrix.png")
    return {"pooled": pooled, "classes": score_classes(probabilities, labels, names)}


def _each_fold(job: Job, workers: Workers) -> list[dict[str, Any]]:
    """The metrics of each fold, in their order."""
    count = job.settings.folds
    tasks = [Task(f"fold {k}", k, job.directory / f"fold{k}") for k in range(1, count + 1)]
    opening = Opening(f"{__name__}:open_folds", (job.settings, job.directory))
    lines = TaskLines(count)
    found: dict[int, dict[str, Any]] = {}
    shares, take = _shares(job, workers), in_order(tasks)
    work = execute_after(shares, take, workers, opening, job.directory, lambda: Folds(job))
    with contextlib.closing(work):
        for ended in work:
            metrics = found[ended.task.argument] = ended.unwrap()
            lines.write(f"{ended.task.name}: test {metrics['test'][job.task.metric]:.3f}")
    return [found[fold] for fold in sorted(found)]


def _shares(job: Job, workers: Workers) -> list[Task]:
    """The features of all images, where they are the same in every fold, and one is left."""
    left = len(list(job.directory.glob("fold[0-9]*/metrics.json"))) < job.settings.folds
    if runs_here(workers) or not left or job.settings.bn == "adapt":
        return []
    first = fold_job(job, 1)
    trainer = Trainer(first)
    features = trainer.features(first)
    return make_shares(trainer, first, features, [features.plan.frozen_depth], workers)
