"""Cross-validation: a run for each fold, then the mean and the spread of their metrics."""

import dataclasses
import json
import statistics

from tl_strategies.files import write_text
from tl_strategies.training.job import Job
from tl_strategies.training.place import held
from tl_strategies.training.run import Run, run

PARTS = ("test", "validation")


def run_folds(job: Job) -> Run:
    """Do the runs of all folds, or what is left of them, each in its own directory.

    Returns:
        A run whose metrics are the means of theirs, with their standard deviations in `spread`. It
        has no model of its own: those are in fold1/, fold2/ and so on.
    """
    with held(job.directory, job.settings.resume):
        return _run_folds(job)


def _run_folds(job: Job) -> Run:
    folds = []
    for fold in range(1, job.settings.folds + 1):
        directory = job.directory / f"fold{fold}"
        settings = dataclasses.replace(job.settings, fold=fold, run_dir=str(directory), resume=True)
        print(f"fold {fold} of {job.settings.folds}", flush=True)
        folds.append(run(dataclasses.replace(job, settings=settings, directory=directory)))
    first = folds[0].metrics
    metrics = {**first, "folds": len(folds), "classes": {}, "spread": {}}
    for part in PARTS:
        values = {name: [fold.metrics[part][name] for fold in folds] for name in first[part]}
        metrics[part] = {name: statistics.fmean(of) for name, of in values.items()}
        metrics["spread"][part] = {name: statistics.stdev(of) for name, of in values.items()}
    metrics["seconds"] = {
        name: sum(fold.metrics["seconds"][name] for fold in folds) for name in first["seconds"]
    }
    write_text(job.directory / "metrics.json", json.dumps(metrics, indent=1) + "\n")
    return Run(job.directory, metrics, job.plan)
