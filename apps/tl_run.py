"""tl-run: one strategy on one data set: train, evaluate, save."""

import pathlib
from collections.abc import Sequence
from typing import Any

from tl_apps import cli
from tl_apps.flags import CONFIG, QUIET, Command, Flag, flags_of, of_groups
from tl_strategies.errors import UsageError
from tl_strategies.settings import groups
from tl_strategies.settings.run import Settings
from tl_strategies.strategies import strategies

FLAGS = [
    *flags_of(groups.Transfer, groups.Single, groups.Network, groups.Data, groups.Selection),
    *flags_of(groups.Folds, groups.Training, groups.Stopping, groups.Place, groups.Workers),
    CONFIG,
    Flag("dry_run", bool, False, "print the plan, train nothing"),
    QUIET,
]
COMMON = (
    *("dataset", "strategy", "n", "backbone", "image_size", "epochs", "learning_rate", "augment"),
    *("run_dir", "dry_run"),
)
EXAMPLES = (
    "tl-run --dataset folder:photos",
    "tl-run --dataset folder:photos --strategy partial --n 12 --augment standard",
    "tl-run --dataset folder:photos --n auto",
    "tl-run --config runs/NAME/config.toml",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return cli.run_command(Command("tl-run", __doc__, FLAGS, COMMON, EXAMPLES, _epilog), _run, argv)


def _epilog(full: bool) -> str:
    known = strategies()
    width = max(map(len, known))
    lines = ["strategies:"]
    for name, cls in known.items():
        lines.append(f"  {name:<{width}}  {cls.description()}".rstrip())
        options = [f"{key}={value!r}" for key, value in cls.hyperparameters().items() if key != "n"]
        if full and options:
            lines.append(f"  {'':<{width}}  --option {', '.join(options)}")
    return "\n".join(lines)


def _run(values: dict[str, Any]) -> None:
    settings = Settings(**of_groups(values, Settings))
    workers = groups.Workers(**of_groups(values, groups.Workers))
    if settings.n == "auto" and values["dry_run"]:
        raise UsageError(
            "--dry_run must have a depth. Received: --n auto, which trains to find it."
        )
    from tl_strategies.execution.executor import check_workers
    from tl_strategies.runs.job import check, prepare

    check_workers(workers)
    cli.import_source(settings.dataset)
    checked = check(settings)  # what needs no Keras is said at once
    if values["dry_run"]:
        with cli.quiet_import():
            import keras  # noqa: F401

        print(prepare(checked).plan)
        return
    with cli.quiet_import():
        from tl_strategies.work import do_run

    print(summary(do_run(checked, workers, cli.around_work(_go_on))))


def _go_on(directory: pathlib.Path) -> str:
    if (directory / "plan.json").is_file():
        return cli.replay("tl-run", directory, " --resume")
    begun = (directory / "search" / "config.toml", directory / "fold1" / "plan.json")
    if not any(path.is_file() for path in begun):
        return ""
    return f"; go on with the same command, --run_dir {cli.quoted(directory)} and --resume"


def summary(result) -> str:
    """The table that ends a run."""
    metrics, directory = result.metrics, result.directory
    spread = metrics.get("spread", {"validation": {}, "test": {}})
    lines = [
        "",
        f"{metrics['strategy']}, n = {metrics['n']} of {metrics['units']} units of "
        f"{metrics['backbone']}; {metrics['trainable_parameters']:,} parameters trained in "
        f"{metrics['seconds']['total']:.0f} s",
        f"{'':<24}{'validation':>16}{'test':>16}",
    ]
    for name in metrics["test"]:
        values = [
            cli.with_spread(metrics[part][name], spread[part].get(name)) if metrics[part] else "–"
            for part in ("validation", "test")
        ]
        lines.append(f"{name.replace('_', ' '):<24}" + "".join(f"{v:>16}" for v in values))
    if "folds" in metrics:
        lines += ["", *cli.whereabouts(directory, predictions="predictions.csv")]
        return "\n".join([*lines, f"runs         {directory / 'fold*'}"])
    files = {"model": "model.keras", "predictions": "predictions.csv"}
    lines += ["", *cli.whereabouts(directory, **files)]
    return "\n".join([*lines, f"new images   tl-predict {cli.quoted(directory)} IMAGE …"])


if __name__ == "__main__":
    raise SystemExit(main())
