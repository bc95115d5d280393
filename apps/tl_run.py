"""tl-run: one strategy on one data set: train, evaluate, save."""

import pathlib
from collections.abc import Sequence
from typing import Any

from tl_apps.cli import around_work, import_source, quiet_import, quoted, replay, run_command
from tl_apps.flags import CONFIG, QUIET, Flag, flags_of, of_groups
from tl_apps.help import Command
from tl_strategies.errors import UsageError
from tl_strategies.settings.groups import (
    Data,
    Folds,
    Network,
    Place,
    Selection,
    Single,
    Stopping,
    Training,
    Transfer,
    Workers,
)
from tl_strategies.settings.run import Settings
from tl_strategies.strategies import strategies

FLAGS = [
    *flags_of(Transfer, Single, Network, Data, Selection, Folds, Training, Stopping),
    *flags_of(Place, Workers),
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
    command = Command("tl-run", __doc__, FLAGS, COMMON, EXAMPLES, _epilog)
    return run_command(command, _run, argv)


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


def _run(values: dict[str, Any]) -> int | None:
    settings = Settings(**of_groups(values, Settings))
    workers = Workers(**of_groups(values, Workers))
    if settings.n == "auto" and values["dry_run"]:
        raise UsageError(
            "--dry_run must have a depth. Received: --n auto, which trains to find it."
        )
    from tl_strategies.execution.executor import check_workers
    from tl_strategies.runs.job import check, prepare

    check_workers(workers)
    import_source(settings.dataset)
    checked = check(settings)  # what needs no Keras is said at once
    if values["dry_run"]:
        with quiet_import():
            import keras  # noqa: F401

        print(prepare(checked).plan)
        return None
    with quiet_import():
        from tl_strategies.api import do_run

    print(summary(do_run(checked, workers, around_work(_go_on))))
    return None


def _go_on(directory: pathlib.Path) -> str:
    if (directory / "plan.json").is_file():
        return replay("tl-run", directory, " --resume")
    begun = (directory / "search" / "config.toml", directory / "fold1" / "plan.json")
    if not any(path.is_file() for path in begun):
        return ""
    return f"; go on with the same command, --run_dir {quoted(directory)} and --resume"


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
