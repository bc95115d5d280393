"""What a command and its Python function both do, once all that needs no Keras is checked."""

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

from tl_strategies.analysis.probe.probe import open_probe, run_probe
from tl_strategies.analysis.probe.settings import ProbeSettings
from tl_strategies.analysis.study.curve import open_curve, run_curve
from tl_strategies.analysis.study.settings import CurveSettings
from tl_strategies.runs.folds import run_folds
from tl_strategies.runs.job import Checked, Job, create_run_directory, prepare, replan
from tl_strategies.runs.run import Run, run
from tl_strategies.search.search import Found, finish, open_search, run_search
from tl_strategies.search.settings import SearchSettings
from tl_strategies.settings.groups import Workers
from tl_strategies.settings.objects import notes
from tl_strategies.settings.unheeded import unheeded_text

Around = Callable[[Job], contextlib.AbstractContextManager]  # the time from which files are written


def do_run(checked: Checked, workers: Workers, around: Around = contextlib.nullcontext) -> Run:
    """`tl-run`, `fit`."""
    settings = checked.settings
    searches = settings.n == "auto"
    if searches:  # with validation images, and each trial exact
        train_on = settings.train_on if settings.protocol == "none" else None
        trials = dataclasses.replace(
            settings, n=None, deterministic=True, train_on=train_on or "train"
        )
        checked = dataclasses.replace(checked, settings=trials, strategy=None)
    job = prepare(checked)
    if text := unheeded_text(settings, job.plan or replan(job, job.settings, job.directory).plan):
        print(text)
    for note in notes(settings):
        print(note)
    job = create_run_directory(job)
    with around(job):
        if searches:
            below = dataclasses.replace(job, directory=job.directory / "search")
            found = run_search(SearchSettings(**dataclasses.asdict(workers)), below)
            picture = below.directory / "depth_curve.png"
            print(f"n = {found.point.n}; the curve is {picture}", flush=True)
            return finish(found, job.directory)
        folds = settings.folds and not settings.fold
        return run_folds(job, workers) if folds else run(job, workers=workers)


def do_search(
    checked: Checked, search: SearchSettings, around: Around = contextlib.nullcontext
) -> tuple[Found, Run]:
    """`tl-search`, `search_depth`: what was found, and the best as a run."""
    job = open_search(checked, search)
    if not search.space.endswith(".toml"):  # which may vary what the plan comes from
        plan = replan(job, job.settings, job.directory).plan
        if text := unheeded_text(job.settings, plan):
            print(text)
    with around(job):
        found = run_search(search, job)
        return found, finish(found, job.directory / "best")


def do_curve(
    checked: Checked, asked: CurveSettings, around: Around = contextlib.nullcontext
) -> dict[str, Any]:
    """`tl-curve`, `curve`: the content of summary.json, and where it lies."""
    job = open_curve(checked, asked)
    with around(job):
        return run_curve(asked, job) | {"directory": job.directory}


def do_probe(
    checked: list[Checked], asked: ProbeSettings, around: Around = contextlib.nullcontext
) -> dict[str, Any]:
    """`tl-probe`, `probe`: the content of summary.json, and where it lies."""
    jobs = open_probe(checked, asked)
    with around(jobs[0]):
        return run_probe(asked, jobs) | {"directory": jobs[0].directory}
