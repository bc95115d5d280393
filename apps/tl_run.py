"""tl-run: one strategy on one data set: train, evaluate, save."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence
from typing import Any

from tl_apps.cli import announce, import_source, long_work, quiet_import, quoted, run_command
from tl_apps.flags import Flag, flags_of
from tl_strategies.errors import UsageError
from tl_strategies.strategies import strategies
from tl_strategies.training.settings import Settings
from tl_strategies.training.unheeded import unheeded_text

FLAGS = [
    *flags_of(Settings),
    Flag(
        "config",
        str,
        None,
        "preset or TOML file with defaults; the command line wins",
    ),
    Flag("dry_run", bool, False, "print the plan, train nothing"),
]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run_command("tl-run", __doc__, FLAGS, _run, argv, _epilog)


def _epilog() -> str:
    known = strategies()
    width = max(map(len, known))
    lines = [f"  {name:<{width}}  {cls.description()}".rstrip() for name, cls in known.items()]
    return "\n\nstrategies:\n" + "\n".join(lines)


def _run(values: dict[str, Any]) -> int | None:
    dry_run = values.pop("dry_run")
    values.pop("config")
    settings = Settings(**values)
    searches = settings.n == "auto"
    folds = settings.folds and not settings.fold
    if searches and folds:
        raise UsageError("--n auto must come without --folds. Received: both.")
    if searches and dry_run:
        raise UsageError(
            "--dry_run must have a depth. Received: --n auto, which trains to find it."
        )
    if searches:
        trained_on = settings.train_on if settings.protocol == "none" else None
        trained_on = trained_on or "train"
        settings = dataclasses.replace(settings, n=None, deterministic=True, train_on=trained_on)
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # its worker needs some too
    from tl_strategies.training.job import check, claim, planned, prepare

    import_source(settings.dataset)
    checked = check(settings)
    with quiet_import():
        import keras  # noqa: F401

    job = prepare(dataclasses.replace(checked, strategy=None) if searches else checked)
    plan = job.plan or planned(job, settings, job.directory).plan
    if text := unheeded_text(settings, plan):
        print(text)
    if dry_run:
        print(job.plan)
        return None
    with quiet_import():
        from tl_strategies.training.folds import run_folds
        from tl_strategies.training.run import run
    job = claim(job)
    announce(job)
    with long_work(job.directory, _go_on):
        result = _run_best(job) if searches else run_folds(job) if folds else run(job)
    print(summary(result))
    return None


def _run_best(job):
    """Search for the best depth below the run's directory; the run that has it."""
    with quiet_import():
        from tl_strategies.search.search import finish, run_search
        from tl_strategies.search.settings import SearchSettings

    found = run_search(
        SearchSettings(), dataclasses.replace(job, directory=job.directory / "search")
    )
    print(f"n = {found.point.n}; the curve is {job.directory / 'search' / 'depth_curve.png'}")
    return finish(found, job.directory)


def _go_on(directory: pathlib.Path) -> str:
    if not (directory / "plan.json").is_file():
        begun = (directory / "search" / "config.toml", directory / "fold1" / "plan.json")
        if not any(path.is_file() for path in begun):
            return ""
        return f"; go on with the same command, --run_dir {quoted(directory)} and --resume"
    config = quoted(directory / "config.toml")
    return f"; go on with: tl-run --config {config} --run_dir {quoted(directory)} --resume"


def summary(result) -> str:
    """The table that ends a run."""
    metrics = result.metrics
    names = list(metrics["test"])
    lines = [
        "",
        f"{metrics['strategy']}, n = {metrics['n']} of {metrics['units']} units of "
        f"{metrics['backbone']}; {metrics['trainable_parameters']:,} parameters trained in "
        f"{metrics['seconds']['total']:.0f} s",
        f"{'':<24}{'validation':>16}{'test':>16}",
    ]
    for name in names:
        values = [
            _value(metrics[part][name], metrics.get("spread", {}).get(part, {}).get(name))
            if metrics[part]
            else "–"
            for part in ("validation", "test")
        ]
        lines.append(f"{name.replace('_', ' '):<24}" + "".join(f"{v:>16}" for v in values))
    if "folds" in metrics:
        return "\n".join([*lines, "", f"runs         {result.directory / 'fold*'}"])
    lines += [
        "",
        f"model        {result.directory / 'model.keras'}",
        f"predictions  {result.directory / 'predictions.csv'}",
        f"TensorBoard  tensorboard --logdir {quoted(result.directory)}",
    ]
    return "\n".join(lines)


def _value(mean: float, spread: float | None) -> str:
    return f"{mean:.3f}" if spread is None else f"{mean:.3f} ± {spread:.3f}"


if __name__ == "__main__":
    raise SystemExit(main())
