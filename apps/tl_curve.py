"""tl-curve: the transferability curve, how general or specific layers are (Yosinski 2014)."""

import dataclasses
import pathlib
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from tl_apps.cli import announce, import_source, long_work, quiet_import, quoted, run_command
from tl_apps.flags import Flag, flags_of
from tl_strategies.analysis.settings import CELL_SETTINGS, CurveSettings
from tl_strategies.training.settings import Settings

# All layers have it, also those that are transferred and fine-tuned, which more would spoil.
RATE = "0.001"
FLAGS = [
    *flags_of(CurveSettings),
    *(
        dataclasses.replace(flag, default=RATE) if flag.name == "learning_rate" else flag
        for flag in flags_of(Settings, CELL_SETTINGS)
    ),
    Flag("config", str, None, "preset or TOML file with defaults; the command line wins"),
]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run_command("tl-curve", __doc__, FLAGS, _run, argv)


def _run(values: dict[str, Any]) -> int | None:
    settings = Settings(**{name: values[name] for name in CELL_SETTINGS}, deterministic=True)
    names = [field.name for field in dataclasses.fields(CurveSettings)]
    curve = CurveSettings(**{name: values[name] for name in names})
    from tl_strategies.analysis.checks import check_study

    import_source(settings.dataset)
    checked = check_study(settings, curve)  # what needs no Keras is said at once
    with quiet_import():
        from tl_strategies.analysis.curve import open_job, run_curve

    job = open_job(checked, curve)
    announce(job)
    with long_work(job.directory, _go_on):
        summary = run_curve(curve, job, _progress())
    print(table(summary, job.directory))
    return None


def _progress() -> Callable:
    start, first = time.perf_counter(), None

    def update(cell, result: dict[str, Any], done: int, count: int) -> None:
        nonlocal first
        first = done - 1 if first is None else first
        left = (time.perf_counter() - start) / (done - first) * (count - done)
        line = (
            f"[{done}/{count}] {cell.name}: test {result['test_accuracy']:.3f}, "
            f"{result['seconds']:.1f} s; {_minutes(left)} left"
        )
        if sys.stdout.isatty():
            print(f"\r\033[K{line}", end="\n" if done == count else "", flush=True)
        else:
            print(line, flush=True)

    return update


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _go_on(directory: pathlib.Path) -> str:
    config = directory / "config.toml"
    if not config.is_file():
        return ""
    return f"; go on with: tl-curve --config {quoted(config)} --run_dir {quoted(directory)}"


def table(summary: dict[str, Any], directory: pathlib.Path) -> str:
    """The means by treatment and n, then what they show."""
    lines = []
    for kind in sorted({row["kind"] for row in summary["means"]}):
        rows = [row for row in summary["means"] if row["kind"] == kind]
        means = {(row["treatment"], row["n"]): row["mean"] for row in rows}
        names = list(dict.fromkeys(row["treatment"] for row in rows))
        base = means.pop(("base", 0), None)
        count = next(row["cells"] for row in rows if row["treatment"] == "base")
        title = f"{kind}: mean {summary['metric'].replace('_', ' ')}, %; base {100 * base:.1f}"
        lines += ["", f"{title}; {count} networks each"]
        names = [name for name in names if name != "base"]
        lines.append(f"{'n':>3}" + "".join(f"{name:>8}" for name in names))
        for n in sorted({n for _, n in means}):
            values = [means.get((name, n)) for name in names]
            cells = (f"{100 * v:.1f}" if v is not None else "" for v in values)
            lines.append(f"{n:>3}" + "".join(f"{cell:>8}" for cell in cells))
    lines += [
        "",
        (directory / "findings.txt").read_text(encoding="utf-8").strip(),
        "",
        f"curve        {directory / 'curve.png'}",
        f"differences  {directory / 'differences.png'}",
        f"cells        {directory / 'curve.csv'}",
        f"TensorBoard  tensorboard --logdir {quoted(directory)}",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
