"""What a study leaves: curve.csv, summary.json, two figures, and the same for TensorBoard."""

import pathlib
from collections.abc import Sequence
from typing import Any

from tl_strategies.analysis.study.findings import kind_of, paragraph, summarise
from tl_strategies.analysis.study.published import published, published_differences
from tl_strategies.analysis.study.settings import CurveSettings
from tl_strategies.files import csv_text, write_text
from tl_strategies.runs.manifest import to_json
from tl_strategies.tracking.curves import curve_figure, difference_figure
from tl_strategies.tracking.figures import save_figure
from tl_strategies.tracking.tensorboard import Tracker

CELL = ("split", "direction", "treatment", "n", "repeat")
SCORES = {"validation_accuracy": ".6g", "test_accuracy": ".6g", "seconds": ".1f"}
FORMATS = dict.fromkeys(CELL, "") | SCORES  # of the columns of curve.csv


def write_report(
    directory: pathlib.Path,
    results: Sequence[dict[str, Any]],
    curve: CurveSettings,
    depth_count: int,
    about: dict[str, Any],
    ended: bool,
) -> dict[str, Any]:
    """Write all of it, from the cells that are done; returns the content of summary.json.

    TensorBoard gets the figures and the means when all cells have ended.
    """
    rows = sorted(results, key=lambda row: [row[name] for name in CELL])
    rows = [{**row, "kind": kind_of(row["split"])} for row in rows]
    lines = ([format(row[name], how) for name, how in FORMATS.items()] for row in rows)
    write_text(directory / "curve.csv", csv_text([FORMATS, *lines]))
    metric = "validation_accuracy" if curve.score == "paper" else "test_accuracy"
    summary = about | summarise(rows, metric)
    means = summary["means"]
    write_text(directory / "summary.json", to_json(summary))
    write_text(directory / "findings.txt", paragraph(summary["findings"]) + "\n")
    kinds = {row["kind"] for row in rows} if curve.paper else ()
    scores = {kind: published(kind) for kind in kinds}
    differences = {kind: published_differences(kind) for kind in kinds}
    figures = {
        "curve": curve_figure(rows, metric, depth_count, scores),
        "differences": difference_figure(means, metric, depth_count, differences),
    }
    pixels = {
        name: save_figure(figure, directory / f"{name}.png") for name, figure in figures.items()
    }
    if ended:
        tracker = Tracker(directory)
        for name, values in pixels.items():
            tracker.write_image(name, values[..., :3])
        for row in means:
            tracker.write_scalar(f"{row['kind']}/{row['treatment']}", row["mean"], step=row["n"])
        tracker.flush()
    return summary
