"""tl-search: which transfer depth is best, and at what cost: the curve over n."""

import functools
import pathlib
from collections.abc import Sequence
from typing import Any

from tl_apps.cli import around_work, import_source, quiet_import, quoted, replay, run_command
from tl_apps.flags import CONFIG, QUIET, flags_of, of_groups
from tl_apps.help import Command
from tl_strategies.search.settings import GROUPS, SearchSettings
from tl_strategies.settings.run import Settings

FLAGS = [*flags_of(SearchSettings), *flags_of(*GROUPS), CONFIG, QUIET]
COMMON = (
    *("dataset", "strategy", "depths", "repeats", "space", "tuner", "backbone", "epochs"),
    *("workers", "run_dir"),
)
EXAMPLES = (
    "tl-search --dataset folder:photos",
    "tl-search --dataset folder:photos --depths 0,6,12,18 --repeats 3",
    "tl-search --space standard --tuner bayesian --trials 30 --workers 2",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    command = Command("tl-search", __doc__, FLAGS, COMMON, EXAMPLES)
    return run_command(command, _run, argv)


def _run(values: dict[str, Any]) -> int | None:
    settings = Settings(**of_groups(values, *GROUPS), deterministic=True, train_on="train")
    search = SearchSettings(**of_groups(values, SearchSettings))
    from tl_strategies.execution.executor import check_workers
    from tl_strategies.runs.job import check
    from tl_strategies.search.space import check_tuner, read_entries

    check_workers(search)
    import_source(settings.dataset)
    checked = check(settings)  # what needs no Keras is said at once
    check_tuner(search, read_entries(search, settings))
    with quiet_import():
        from tl_strategies.api import do_search

    around = around_work(functools.partial(replay, "tl-search"))
    found, best = do_search(checked, search, around)
    print(summary(found.summary, found.trainer.job.directory, best.metrics))
    return None


def summary(found: dict[str, Any], directory: pathlib.Path, metrics: dict[str, Any]) -> str:
    """The table that ends a search."""
    chosen = found["chosen"]
    several = found["seeds"] > 1
    width = 18 if several else 12
    lines = ["", f"{'n':>3}{'validation':>{width}}{'test':>{width}}{'s':>8}"]
    for row in found["curve"]:
        scores = "".join(
            f"{_score(*row[part], several):>{width}}" for part in ("validation", "test")
        )
        mark = "  chosen" if row["n"] == chosen["n"] else ""
        lines.append(f"{row['n']:>3}{scores}{row['seconds']:>8.0f}{mark}")
    others = {name: value for name, value in chosen["values"].items() if name != "n"}
    if others:
        lines.append("with " + ", ".join(f"{name} = {value}" for name, value in others.items()))
    lines += [
        "",
        f"n = {chosen['n']} of {found['units']} units; the saved model has test "
        f"{found['metric'].replace('_', ' ')} {metrics['test'][found['metric']]:.3f}",
        f"model        {directory / 'best' / 'model.keras'}",
        f"curve        {directory / 'depth_curve.png'}",
        f"trials       {directory / 'trials.csv'}",
        f"TensorBoard  tensorboard --logdir {quoted(directory)}",
    ]
    if found["trials"]["failed"]:
        lines.insert(-4, f"{found['trials']['failed']} trials failed; trials.csv says why")
    return "\n".join(lines)


def _score(mean: float, spread: float, several: bool) -> str:
    return f"{mean:.3f} ± {spread:.3f}" if several else f"{mean:.3f}"


if __name__ == "__main__":
    raise SystemExit(main())
