"""tl-search: which transfer depth is best, and at what cost: the curve over n."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

from tl_apps.cli import announce, import_source, long_work, quiet_import, quoted, run_command
from tl_apps.flags import Flag, flags_of
from tl_strategies.errors import UsageError
from tl_strategies.search.settings import TRIAL_SETTINGS, SearchSettings
from tl_strategies.training.settings import Settings
from tl_strategies.training.unheeded import unheeded_text

FLAGS = [
    *flags_of(SearchSettings),
    *flags_of(Settings, TRIAL_SETTINGS),
    Flag("config", str, None, "preset or TOML file with defaults; the command line wins"),
]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run_command("tl-search", __doc__, FLAGS, _run, argv)


def _run(values: dict[str, Any]) -> int | None:
    settings = Settings(
        **{name: values[name] for name in TRIAL_SETTINGS}, deterministic=True, train_on="train"
    )
    names = [field.name for field in dataclasses.fields(SearchSettings)]
    search_settings = SearchSettings(**{name: values[name] for name in names})
    if search_settings.worker and settings.run_dir is None:
        raise UsageError("--worker must come with --run_dir, that of its chief.")
    from tl_strategies.search.entries import check_tuner, read_entries
    from tl_strategies.training.job import check, planned

    import_source(settings.dataset)
    checked = check(settings)  # what needs no Keras is said at once
    check_tuner(search_settings, read_entries(search_settings, settings))
    with quiet_import():
        from tl_strategies.search.search import finish, open_job, run_search, work

    job = open_job(checked, search_settings)
    if search_settings.worker:
        work(search_settings, job)
        return None
    if not search_settings.space.endswith(".toml"):  # which may vary what the plan comes from
        plan = planned(job, job.settings, job.directory).plan
        if text := unheeded_text(job.settings, plan):
            print(text)
    announce(job)
    with long_work(job.directory, _go_on):
        found = run_search(search_settings, job)
        best = finish(found, job.directory / "best")
    print(summary(found.summary, job.directory, best.metrics))
    return None


def _go_on(directory: pathlib.Path) -> str:
    config = directory / "config.toml"
    if not config.is_file():
        return ""
    return f"; go on with: tl-search --config {quoted(config)} --run_dir {quoted(directory)}"


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
