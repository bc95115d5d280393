"""tl-predict: labels for new images, by the model of a run, or by the mean of several."""

import contextlib
import csv
import filecmp
import json
import pathlib
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from tl_apps import cli
from tl_apps.flags import QUIET, Command, Flag
from tl_strategies.directories import expanded
from tl_strategies.errors import UsageError
from tl_strategies.files import atomic_write
from tl_strategies.output import cell, shown
from tl_strategies.settings.schema import require

if TYPE_CHECKING:
    import numpy as np

    from tl_strategies.evaluation.predict import Predictor

NAMES = "RUN IMAGE"
SOME_FAILED = 3  # the exit code
FLAGS = [
    Flag("top", int, 1, "how many labels are told of each image, the likeliest first"),
    Flag("threshold", float, 0.5, "where images have several labels: from which probability on"),
    Flag(
        "views",
        str,
        "1",
        "average over so many seeded views: the image, then crops and flips; or crops16, as in "
        "tl-run --augment",
    ),
    Flag("out", str, None, "write to this file, .csv or .jsonl, not to the screen"),
    Flag("sort", str, None, "copy each image into a folder of its label below this one"),
    Flag("heatmap", str, None, "write into this folder where in each image its label was seen"),
    Flag("unit", str, None, "with --heatmap: the unit to look behind, by its name or depth"),
    QUIET,
]
EXAMPLES = (
    "tl-predict runs/NAME photo.jpg folder 'more/*.png' --top 3",
    "tl-predict runs/NAME new_photos --out labels.csv --sort sorted",
    "tl-predict runs/NAME new_photos --heatmap maps",
    "find . -name '*.jpg' | tl-predict runs/NAME -",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    names = [flag.name for flag in FLAGS]
    return cli.run_command(
        Command("tl-predict", __doc__, FLAGS, names, EXAMPLES, rest=NAMES), _run, argv
    )


def _run(values: dict[str, Any]) -> int:
    runs, names = _split(values[NAMES])
    require("top", values["top"] >= 1, "at least 1", values["top"])
    views = values["views"]
    if views != "crops16":
        require("views", views.isdecimal() and int(views) >= 1, "at least 1, or crops16", views)
        values["views"] = int(views)
    threshold = values["threshold"]
    require("threshold", 0 <= threshold <= 1, "from 0 to 1", threshold)
    out = values["out"] and cli.output_file("out", values["out"])
    if out and out.suffix not in (".csv", ".jsonl"):
        raise UsageError(f"--out must end in .csv or .jsonl. Received: {out}.")
    for name in ("sort", "heatmap"):
        if values[name]:
            cli.output_file(name, str(pathlib.Path(values[name]) / "label"))
    if values["heatmap"]:
        require("views", values["views"] == 1, "1 with --heatmap", values["views"])
    elif values["unit"] is not None:
        raise UsageError(f"--unit must come with --heatmap. Received: {values['unit']}.")
    with cli.quiet_import():
        from tl_strategies.evaluation.predict import Predictor, image_paths
        from tl_strategies.tracking.progress import progress_bar

    predictor = Predictor(runs)
    if "-" in names and hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="surrogateescape")  # file names may be any bytes
    paths = image_paths(names, sys.stdin)
    bar = progress_bar(len(paths), "images") if out else lambda done: None
    failed = 0
    found = _results(predictor, paths, values)
    with _writer(out, predictor, min(values["top"], len(predictor.labels))) as write:
        for done, (path, result) in enumerate(zip(paths, found, strict=True), 1):
            error = result if isinstance(result, str) else ""
            labels = [] if error else _labels(predictor, result, values["threshold"])
            write(path, labels, None if error else result, error)
            failed += bool(error)
            if values["sort"] and not error:
                _copy(path, pathlib.Path(values["sort"]), labels)
            bar(done)
    if out:
        print(f"{len(paths) - failed} images labelled in {shown(str(out))}")
    if failed:
        print(f"{failed} of {len(paths)} images could not be read", file=sys.stderr)
    return SOME_FAILED if failed else 0


def _split(names: list[str]) -> tuple[list[pathlib.Path], list[str]]:
    """The runs, which come first, and the images."""
    runs = []
    for name in names:
        path = expanded(name)
        is_run = any((path / place / "plan.json").is_file() for place in ("", "best", "fold1"))
        if runs and not is_run:
            break
        runs.append(path)
    if not runs or len(runs) == len(names):
        raise UsageError(
            "tl-predict must get the directory of a run, then images. Received: "
            f"{' '.join(names) or 'nothing'}. Images are files, folders, globs, a csv with a "
            "column path, or - for paths from standard input."
        )
    return runs, names[len(runs) :]


def _results(
    predictor: "Predictor", paths: list[str], values: dict[str, Any]
) -> Iterator["np.ndarray | str"]:
    """Probabilities of each image, or why it cannot be read; heat maps are written on the way."""
    if not values["heatmap"]:
        return predictor.stream(iter(paths), values["views"])
    with cli.quiet_import():
        from tl_strategies.evaluation.heatmap import Explainer, Heatmap, save_heatmap
    folder = expanded(values["heatmap"])

    def written(path: str, found: Heatmap | str) -> "np.ndarray | str":
        if isinstance(found, str):
            return found
        save_heatmap(found, path, folder)
        return found.probabilities

    return map(written, paths, Explainer(predictor, values["unit"]).stream(iter(paths)))


def _labels(predictor: "Predictor", probabilities: "np.ndarray", threshold: float) -> list[str]:
    """The label of an image; of several, those that are likely enough."""
    if predictor.multilabel:
        return [
            name
            for name, probability in zip(predictor.labels, probabilities, strict=True)
            if probability >= threshold
        ]
    return [predictor.labels[int(probabilities.argmax())]]


Write = Callable[[str, list[str], Any, str], None]  # path, labels, probabilities, error


@contextlib.contextmanager
def _writer(out: pathlib.Path | None, predictor: "Predictor", top: int) -> Iterator[Write]:
    """What writes a row for each image, to the screen or to a file that appears in the end.

    After Ctrl-C it holds the images so far.
    """

    def likeliest(probabilities: "np.ndarray | None") -> list[tuple[str, float]]:
        if probabilities is None:
            return []
        order = (-probabilities).argsort(kind="stable")[:top]
        return [(predictor.labels[i], float(probabilities[i])) for i in order]

    def to_screen(path: str, labels: list[str], probabilities: Any, error: str) -> None:
        told = [f"{shown(name)} {value:.3f}" for name, value in likeliest(probabilities)]
        if predictor.multilabel and not error:
            told.insert(0, f"[{shown('; '.join(labels))}]")
        print(f"{shown(path)}  {error or '  '.join(told)}", flush=True)

    if out is None:
        yield to_screen
        return
    stop = None
    with atomic_write(out) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        try:
            yield _csv(file, likeliest, top) if out.suffix == ".csv" else _jsonl(file, likeliest)
        except KeyboardInterrupt as error:
            stop = error
    if stop is not None:
        print(f"the images so far are in {shown(str(out))}")
        raise stop


def _csv(file: TextIO, likeliest: Callable, top: int) -> Write:
    writer = csv.writer(file, lineterminator="\n")
    places = [f"{name}{k}" for k in range(1, top + 1) for name in ("label", "probability")]
    writer.writerow(["path", "predicted", *places, "error"])

    def write(path: str, labels: list[str], probabilities: Any, error: str) -> None:
        told = [x for name, value in likeliest(probabilities) for x in (cell(name), f"{value:.7g}")]
        told = told or [""] * len(places)
        writer.writerow([cell(path), cell(";".join(labels)), *told, error])

    return write


def _jsonl(file: TextIO, likeliest: Callable) -> Write:
    def write(path: str, labels: list[str], probabilities: Any, error: str) -> None:
        row: dict[str, Any] = {"path": path, "predicted": labels}
        row["labels"] = [{"label": n, "probability": v} for n, v in likeliest(probabilities)]
        file.write(json.dumps(row | ({"error": error} if error else {}), ensure_ascii=False) + "\n")

    return write


def _copy(path: str, folder: pathlib.Path, labels: list[str]) -> None:
    """Copy an image into the folder of its first label; another one of its name gets a number."""
    name = re.sub(r"[/\\\0]", "_", labels[0]).strip(". ") if labels else ""
    place = folder / (name or "none")
    place.mkdir(parents=True, exist_ok=True)
    source = pathlib.Path(path)
    target, number = place / source.name, 2
    while target.exists():
        if filecmp.cmp(source, target, shallow=False):
            return
        target = place / f"{source.stem}-{number}{source.suffix}"
        number += 1
    shutil.copy2(source, target)


if __name__ == "__main__":
    raise SystemExit(main())
