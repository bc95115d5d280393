"""tl-probe: a linear classifier on every unit's codes: what each depth knows of your labels."""

import functools
from collections.abc import Sequence
from typing import Any

from tl_apps import cli
from tl_apps.flags import CONFIG, QUIET, Command, flags_of, of_groups
from tl_strategies.analysis.probe.settings import GROUPS, ProbeSettings

FLAGS = [*flags_of(ProbeSettings, *GROUPS), CONFIG, QUIET]
COMMON = (
    *("dataset", "backbone", "weights", "depths", "classifiers", "splits", "shots"),
    *("image_size", "seed", "run_dir"),
)
EXAMPLES = (
    "tl-probe --dataset folder:photos",
    "tl-probe --shots 30 --classifiers svm,softmax,ridge,knn",
    "tl-probe --weights imagenet --weights none --depths 1,6,12,18",
    "tl-probe --depths 1,18 --pictures",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return cli.run_command(Command("tl-probe", __doc__, FLAGS, COMMON, EXAMPLES), _run, argv)


def _run(values: dict[str, Any]) -> None:
    probe = ProbeSettings(**of_groups(values, ProbeSettings))
    from tl_strategies.analysis.probe.checks import check_probe

    cli.import_source(values["dataset"])
    checked = check_probe(of_groups(values, *GROUPS), probe)  # what needs no Keras is said at once
    with cli.quiet_import():
        from tl_strategies.analysis.probe.report import table
        from tl_strategies.work import do_probe

    summary = do_probe(checked, probe, cli.around_work(functools.partial(cli.replay, "tl-probe")))
    best, directory = summary["best"], summary["directory"]
    lines = [
        "",
        table(summary),
        "",
        f"best on validation images: {best['classifier']} on unit {best['depth']}, {best['unit']}, "
        f"of {best['network']}",
        "",
        f"figure       {directory / 'probe.png'}",
        f"rows         {directory / 'probe.csv'}",
    ]
    if probe.pictures:
        lines += [f"features     {directory / 'features.png'}"]
        lines += [f"projector    tensorboard --logdir {directory}"]
    print("\n".join(lines))


if __name__ == "__main__":
    raise SystemExit(main())
