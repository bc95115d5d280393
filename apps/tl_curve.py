"""tl-curve: the transferability curve, how general or specific layers are (Yosinski 2014)."""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence
from typing import Any

from tl_apps.cli import around_work, import_source, quiet_import, quoted, replay, run_command
from tl_apps.flags import CONFIG, QUIET, flags_of, of_groups
from tl_apps.help import Command
from tl_strategies.analysis.study.settings import GROUPS, LEARNING_RATE, CurveSettings
from tl_strategies.settings.run import Settings

FLAGS = [
    *flags_of(CurveSettings),
    *(
        dataclasses.replace(flag, default=str(LEARNING_RATE))
        if flag.name == "learning_rate"
        else flag
        for flag in flags_of(*GROUPS)
    ),
    CONFIG,
    QUIET,
]
COMMON = (
    *("dataset", "backbone", "class_split", "splits", "treatments", "n", "repeats", "epochs"),
    *("workers", "run_dir"),
)
EXAMPLES = (
    "tl-curve --backbone caffenet_mini --dataset tfds:fashion_mnist",
    "tl-curve --config yosinski_fashion_mnist --workers 2",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    command = Command("tl-curve", __doc__, FLAGS, COMMON, EXAMPLES)
    return run_command(command, _run, argv)


def _run(values: dict[str, Any]) -> int | None:
    settings = Settings(**of_groups(values, *GROUPS), deterministic=True)
    curve = CurveSettings(**of_groups(values, CurveSettings))
    from tl_strategies.analysis.study.checks import check_study
    from tl_strategies.execution.executor import check_workers

    check_workers(curve)
    import_source(settings.dataset)
    checked = check_study(settings, curve)  # what needs no Keras is said at once
    with quiet_import():
        from tl_strategies.api import do_curve

    summary = do_curve(checked, curve, around_work(functools.partial(replay, "tl-curve")))
    print(table(summary, summary["directory"]))
    return None


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
