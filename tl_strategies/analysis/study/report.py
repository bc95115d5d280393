"""What a study leaves: curve.csv, summary.json, two figures, and the same for TensorBoard."""

import csv
import io
import json
import pathlib
from collections.abc import Sequence
from typing import Any

from tl_strategies.analysis.study.findings import kind_of, paragraph, summarise
from tl_strategies.analysis.study.published import published, published_differences
from tl_strategies.analysis.study.settings import CurveSettings
from tl_strategies.files import write_text
from tl_strategies.tracking.curves import curve_figure, difference_figure
from tl_strategies.tracking.figures import save_figure
from tl_strategies.tracking.tensorboard import Tracker

COLUMNS = ("split", "direction", "treatment", "n", "repeat")
SCORES = ("validation_accuracy", "test_accuracy", "seconds")


def write_report(
    directory: pathlib.Path,
    results: Sequence[dict[str, Any]],
    curve: CurveSettings,
    depth_count: int,
    about: dict[str, Any],
) -> dict[str, Any]:
    """Write all of it, from the cells that are done; returns the content of summary.json.

    Args:
        directory: of the study.
        results: of cells, in any order; at least one.
        curve: settings of the study.
        depth_count: of the backbone.
        about: what else the summary says.
    """
    rows = sorted(results, key=lambda row: [row[name] for name in COLUMNS])
    write_text(directory / "curve.csv", _csv(rows))
    metric = "validation_accuracy" if curve.score == "paper" else "test_accuracy"
    summary = about | summarise(rows, metric)
    write_text(directory / "summary.json", json.dumps(summary, indent=1) + "\n")
    write_text(directory / "findings.txt", paragraph(summary["findings"]) + "\n")
    rows = [{**row, "kind": kind_of(row["split"])} for row in rows]
    kinds = {row["kind"] for row in rows} if curve.paper else ()
    figures = {
        "curve": curve_figure(rows, metric, depth_count, {kind: published(kind) for kind in kinds}),
        "differences": difference_figure(
            summary["means"],
            metric,
            depth_count,
            {kind: published_differences(kind) for kind in kinds},
        ),
    }
    for name, figure in figures.items():
        save_figure(figure, directory / f"{name}.png")
    return summary


def track_report(directory: pathlib.Path, summary: dict[str, Any]) -> None:
    """Give TensorBoard the figures, and the means as scalars whose step is n."""
    import numpy as np
    from PIL import Image

    tracker = Tracker(directory)
    for name in ("curve", "differences"):
        with Image.open(directory / f"{name}.png") as image:
            tracker.write_image(name, np.asarray(image))
    for row in summary["means"]:
        tag = f"{row['kind']}/{row['treatment']}"
        tracker.write_scalar(tag, row["mean"], step=row["n"])
    tracker.flush()


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *SCORES])
    for row in rows:
        scores = [f"{row[name]:.6g}" for name in SCORES[:2]]
        writer.writerow([*(row[name] for name in COLUMNS), *scores, f"{row['seconds']:.1f}"])
    return text.getvalue()
