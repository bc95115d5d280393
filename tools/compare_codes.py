"""Codes of a frozen network side by side, on four data sets: what Razavian, DeCAF, Head2Toe say.

    python tools/compare_codes.py --out docs

A linear SVM at 30 training images of each class, five random splits: by the depth of the unit, with
pretrained and with random weights; and on the last unit with a power transform and without unit
length, with all units joined, and with 16 views of each image for training and testing. The data
sets are made by tools/tasks.py. Every run stays below --runs: a second call reads what is there.
Takes about half an hour on 2 cores.
"""

import argparse
import csv
import os
import pathlib

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tasks import dataset

import tl_strategies as tl
from tl_strategies.runs.job import open_job
from tl_strategies.runs.trainer import Trainer
from tl_strategies.settings.run import Settings

TASKS = ("clipart", "emoji", "glyphs", "digits")
SHOTS, SPLITS, DEPTHS = 30, 5, (1, 6, 9, 12, 15, 18)
WEIGHTS = {"imagenet": "pretrained", "none": "random"}
CODES = {  # options of `fixed`, and further settings
    "last unit": ({}, {}),
    "no unit length": ({"unit_length": False}, {}),
    "power 0.5": ({"power": 0.5}, {}),
    "all units": ({"units": "all"}, {}),
    "all, standardised": ({"units": "all", "standardize": True}, {}),
    "the best 30 % of these": ({"units": "all", "standardize": True, "select": 0.3}, {}),
    "16 views": ({}, {"augment": "crops16"}),
}


def probe(task: str, runs: pathlib.Path) -> dict[str, list[float]]:
    """Accuracies of the splits, by weights and depth."""
    directory = runs / f"{task}-probe"
    tl.probe(
        dataset=dataset(task),
        weights=("imagenet", "none"),
        classifiers="svm",
        depths=DEPTHS,
        shots=SHOTS,
        splits=SPLITS,
        run_dir=str(directory),
    )
    found = {}
    with (directory / "probe.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            name = f"unit {row['depth']}, {WEIGHTS[row['weights']]}"
            found.setdefault(name, []).append(float(row["accuracy"]))
    return found


def fixed(task: str, name: str, runs: pathlib.Path) -> list[float]:
    """Test accuracies of the splits; of as many views as were trained on."""
    options, settings = CODES[name]
    scores = []
    for split in range(SPLITS):
        directory = runs / f"{task}-{name.replace(' ', '_').replace('%', '')}-{split}"
        given = {"dataset": dataset(task), "shots": SHOTS, "split_seed": split} | settings
        resume = (directory / "plan.json").is_file()
        run = tl.fit("fixed", option=options, run_dir=str(directory), resume=resume, **given)
        scores.append(run.metrics["test"]["accuracy"])
        if "augment" in settings:
            trainer = Trainer(open_job(Settings(strategy="fixed", **given), directory))
            images = trainer.images()
            test = images.positions("test")
            told = run.predict([*images[test]], views=settings["augment"]).argmax(axis=1)
            scores[-1] = float(np.mean(told == images.listing.labels[test]))
        print(f"{task}, {name}, split {split}: {scores[-1]:.3f}", flush=True)
    return scores


def table(results: dict[str, dict[str, list[float]]]) -> str:
    """Markdown: mean and standard deviation in percent; a row for each kind of codes."""
    names = list(next(iter(results.values())))
    lines = [f"| codes | {' | '.join(results)} |", f"|---{'|---' * len(results)}|"]
    for name in names:
        cells = [
            f"{100 * np.mean(scores[name]):.1f} ± {100 * np.std(scores[name], ddof=1):.1f}"
            for scores in results.values()
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", default="runs/compare_codes", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, help="folder for codes.md")
    arguments = parser.parse_args()
    results = {}
    for task in TASKS:
        results[task] = probe(task, arguments.runs)
        results[task] |= {name: fixed(task, name, arguments.runs) for name in CODES}
        print(f"\n{table(results)}\n", flush=True)
    if arguments.out:
        (arguments.out / "codes.md").write_text(table(results) + "\n")


if __name__ == "__main__":
    main()
