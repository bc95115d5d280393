"""tl-export: a run's model as LiteRT, ONNX, OpenVINO or SavedModel, compared with the model."""

from collections.abc import Sequence
from typing import Any

from tl_apps import cli
from tl_apps.flags import QUIET, Command, Flag
from tl_strategies.directories import expanded
from tl_strategies.errors import UsageError
from tl_strategies.evaluation.formats import FORMATS, PRECISIONS, check_format, check_out
from tl_strategies.output import shown

RUN = "RUN"
FLAGS = [
    Flag("format", str, None, "what the model becomes", tuple(FORMATS)),
    Flag("precision", str, "float32", "of its weights", PRECISIONS),
    Flag("out", str, None, "the directory to make (default: RUN/export/FORMAT-PRECISION)"),
    Flag("force", bool, False, "hand it over though it does not predict what the model does"),
    QUIET,
]
EXAMPLES = (
    "tl-export runs/NAME --format onnx",
    "tl-export runs/NAME --format litert --precision int8 --out phone",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    names = [flag.name for flag in FLAGS]
    return cli.run_command(
        Command("tl-export", __doc__, FLAGS, names, EXAMPLES, rest=RUN), _run, argv
    )


def _run(values: dict[str, Any]) -> None:
    runs, name, precision = values[RUN], values["format"], values["precision"]
    check_format(name, precision)
    if len(runs) != 1:
        raise UsageError(f"tl-export must get one run. Received: {' '.join(runs) or 'none'}.")
    if values["out"]:
        check_out(expanded(values["out"]))
    with cli.quiet_import():
        from tl_strategies.evaluation.export import export

    report = export(expanded(runs[0]), name, precision, values["out"], values["force"])
    print(summary(report))


def summary(report: dict[str, Any]) -> str:
    """The table that ends an export."""
    metric, pair = report["metric"], (report["model"], report["export"])
    scores, speeds = ([each[key] for each in pair] for key in (metric, "images_per_second"))
    return "\n".join(
        [
            f"{'':<24}{'model':>12}{'export':>12}",
            f"{metric.replace('_', ' '):<24}{scores[0]:>12.3f}{scores[1]:>12.3f}",
            f"{'images a second':<24}{speeds[0]:>12.0f}{speeds[1]:>12.0f}",
            "",
            f"on {report['images']} test images; probabilities differ by "
            f"{report['largest_difference']:.2g} at most",
            f"{report['bytes'] / 1e6:.1f} MB in {shown(str(report['directory']))}",
        ]
    )


if __name__ == "__main__":
    raise SystemExit(main())
