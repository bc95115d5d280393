"""tl-search: which transfer depth is best, and at what cost: the curve over n."""

import functools
import pathlib
from collections.abc import Sequence
from typing import Any

from tl_apps import cli
from tl_apps.flags import CONFIG, QUIET, Command, flags_of, of_groups
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
    return cli.run_command(Command("tl-search", __doc__, FLAGS, COMMON, EXAMPLES), _run, argv)


def _run(values: dict[str, Any]) -> None:
    settings = Settings(**of_groups(values, *GROUPS), deterministic=True, train_on="train")
    search = SearchSettings(**of_groups(values, SearchSettings))
    from tl_strategies.execution.executor import check_workers
    from tl_strategies.runs.job import check
    from tl_strategies.search.space import check_tuner, read_entries

    check_workers(search)
    cli.import_source(settings.dataset)
    checked = check(settings)  # what needs no Keras is said at once
    check_tuner(search, read_entries(search, settings))
    with cli.quiet_import():
        from tl_strategies.api import do_search

    around = cli.around_work(functools.partial(cli.replay, "tl-search"))
    found, best = do_search(checked, search, around)
    print(summary(found.summary, found.trainer.job.directory, best.metrics))


def summary(found: dict[str, Any], directory: pathlib.Path, metrics: dict[str, Any]) -> str:
    """The table that ends a search."""
    chosen, metric, failed = found["chosen"], found["metric"], found["trials"]["failed"]
    several = found["seeds"] > 1
    width = 18 if several else 12
    lines = ["", f"{'n':>3}{'validation':>{width}}{'test':>{width}}{'s':>8}"]
    for row in found["curve"]:
        means = [row[part] for part in ("validation", "test")]
        texts = [cli.with_spread(mean, spread if several else None) for mean, spread in means]
        scores = "".join(f"{text:>{width}}" for text in texts)
        mark = "  chosen" if row["n"] == chosen["n"] else ""
        lines.append(f"{row['n']:>3}{scores}{row['seconds']:>8.0f}{mark}")
    others = {name: value for name, value in chosen["values"].items() if name != "n"}
    if others:
        lines.append("with " + ", ".join(f"{name} = {value}" for name, value in others.items()))
    lines += [
        "",
        f"n = {chosen['n']} of {found['units']} units; the saved model has test "
        f"{metric.replace('_', ' ')} {metrics['test'][metric]:.3f}",
    ]
    if failed:
        lines.append(f"{failed} trials failed; trials.csv says why")
    files = {"model": "best/model.keras", "curve": "depth_curve.png", "trials": "trials.csv"}
    return "\n".join([*lines, *cli.whereabouts(directory, **files)])


if __name__ == "__main__":
    raise SystemExit(main())
