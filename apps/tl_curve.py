"""tl-curve: the transferability curve, how general or specific layers are (Yosinski 2014)."""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence
from typing import Any

from tl_apps import cli
from tl_apps.flags import CONFIG, QUIET, Command, flags_of, of_groups
from tl_strategies.analysis.study.settings import GROUPS, LEARNING_RATE, CurveSettings
from tl_strategies.settings.run import Settings

OTHERS = {"learning_rate": {"default": str(LEARNING_RATE)}}  # than the defaults of a run
FLAGS = [
    *flags_of(CurveSettings),
    *(dataclasses.replace(flag, **OTHERS.get(flag.name, {})) for flag in flags_of(*GROUPS)),
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
    return cli.run_command(Command("tl-curve", __doc__, FLAGS, COMMON, EXAMPLES), _run, argv)


def _run(values: dict[str, Any]) -> None:
    settings = Settings(**of_groups(values, *GROUPS), deterministic=True)
    curve = CurveSettings(**of_groups(values, CurveSettings))
    from tl_strategies.analysis.study.checks import check_study
    from tl_strategies.execution.executor import check_workers

    check_workers(curve)
    cli.import_source(settings.dataset)
    checked = check_study(settings, curve)  # what needs no Keras is said at once
    with cli.quiet_import():
        from tl_strategies.api import do_curve

    summary = do_curve(checked, curve, cli.around_work(functools.partial(cli.replay, "tl-curve")))
    print(table(summary, summary["directory"]))


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
    findings = (directory / "findings.txt").read_text(encoding="utf-8").strip()
    files = {"curve": "curve.png", "differences": "differences.png", "cells": "curve.csv"}
    return "\n".join([*lines, "", findings, "", *cli.whereabouts(directory, **files)])


if __name__ == "__main__":
    raise SystemExit(main())
