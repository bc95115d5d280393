"""Data looked at through a network's features: labels that look wrong, near copies, outliers.

A label looks wrong by confident learning (Northcutt, Jiang and Chuang 2021; cleanlab does it) on
the probabilities of a linear classifier that has not seen the image.
"""

import dataclasses
import pathlib

import numpy as np
from scipy.special import expit, softmax

from tl_strategies.analysis.probe.codes import last_codes
from tl_strategies.data.images import Images
from tl_strategies.files import csv_text, write_text
from tl_strategies.output import cell, shown
from tl_strategies.plans.plan import Head
from tl_strategies.runs.trainer import Trainer
from tl_strategies.task import Task
from tl_strategies.tracking.figures import save_figure, sheet_figure
from tl_strategies.tracking.progress import progress_bar
from tl_strategies.training.classifier import fit_classifier
from tl_strategies.training.space import Sample, unit_length

FOLDS = 5
NEIGHBOURS = 10
NEAR = 0.1  # of the median distance to the nearest image: nearer ones are copies
FAR = 3.0  # times the quartile range above the third quartile of the distances is an outlier
ROUNDING = 1e-6  # below which a cosine distance is none
CHUNK = 1000  # images whose neighbours are looked for at once
TABLE, SHEET = "labels.csv", "labels.png"
WORST = 36  # on the sheet
COLUMNS = ("path", "label", "finding", "likelier", "probability", "copy_of")


@dataclasses.dataclass(frozen=True)
class Findings:
    """Positions in the listing of images that deserve a look.

    Attributes:
        wrong: whose label looks wrong, from the worst.
        probabilities: of shape (images, labels), by classifiers that have not seen the image.
        copies: pairs of images in different parts that look the same, the nearest first.
        outliers: that are far from all others, the farthest first.
    """

    wrong: np.ndarray
    probabilities: np.ndarray
    copies: list[tuple[int, int]]
    outliers: np.ndarray

    def likelier(self, images: Images, position: int) -> tuple[str, float]:
        """What an image looks like, and the probability of the label that it has."""
        listing, row = images.listing, self.probabilities[position]
        if listing.task.multilabel:
            own = listing.labels[position].astype(bool)
            told = ";".join(listing.task.names[i] for i in np.flatnonzero(row > 0.5))
            return told, float(np.where(own, row, 1 - row).min())
        return listing.task.names[row.argmax()], float(row[listing.labels[position]])


def look_through(trainer: Trainer) -> tuple[Images, Findings]:
    """Look at all images of a trainer's data set through its backbone."""
    images = trainer.images()
    codes = last_codes(trainer, images, np.arange(len(images.rows)))
    probabilities = _unseen(codes, images.listing.labels, images.listing.task)
    wrong = _wrong(images.listing.labels, probabilities)
    return images, Findings(wrong, probabilities, *_neighbours(codes, images.parts))


def write_findings(directory: pathlib.Path, images: Images, findings: Findings) -> None:
    """Write labels.csv, a row for each finding, and labels.png, labels that look wrong."""
    listing = images.listing
    found = [("label looks wrong", position, "") for position in findings.wrong]
    found += [("copy in another part", i, listing.paths[j]) for i, j in findings.copies]
    found += [("outlier", position, "") for position in findings.outliers]
    rows = [COLUMNS]
    for finding, position, other in found:
        likelier, probability = findings.likelier(images, position)
        names = listing.paths[position], cell(listing.label_text(position)), finding
        rows.append((*names, cell(likelier), f"{probability:.4f}", other))
    write_text(directory / TABLE, csv_text(rows))
    worst, captions = findings.wrong[:WORST], []
    for position in worst:
        likelier, probability = findings.likelier(images, position)
        label = shown(listing.label_text(position)) or "none"
        captions.append(f"{label} {probability:.2f}\n→ {shown(likelier) or 'none'}")
    title = f"labels that look wrong, {len(worst)} of {len(findings.wrong)}: label → looks like"
    save_figure(sheet_figure(images[worst], captions, title), directory / SHEET)


def _unseen(codes: np.ndarray, labels: np.ndarray, task: Task) -> np.ndarray:
    """Probabilities of each image by a classifier fitted, and chosen, on the other folds."""
    several = task.multilabel
    head = Head("ridge", task.label_count, multilabel=several, standardize=True, refit=True)
    everything = Sample(codes, labels, np.ones(len(codes), "float32"))
    fold, bar = _folds(labels), progress_bar(FOLDS, "classifiers")
    told = np.zeros((len(codes), task.label_count))
    for number in range(FOLDS):
        chosen_on = fold == (number + 1) % FOLDS
        train, validation = (
            Sample(*(values[rows] for values in everything))
            for rows in ((fold != number) & ~chosen_on, chosen_on)
        )
        scores = fit_classifier(head, train, validation, 0)[1].scores(codes[fold == number])
        told[fold == number] = expit(scores) if several else softmax(scores, axis=1)
        bar(number + 1)
    return told


def _folds(labels: np.ndarray) -> np.ndarray:
    """The fold of each image; each label is spread over all."""
    order = np.random.default_rng(0).permutation(len(labels))
    if labels.ndim == 1:
        order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(len(labels), int)
    fold[order] = np.arange(len(labels)) % FOLDS
    return fold


def _wrong(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Images whose label looks wrong, from the worst."""
    from cleanlab import filter as single
    from cleanlab.multilabel_classification import filter as several

    options = {"return_indices_ranked_by": "self_confidence", "n_jobs": 1}
    if labels.ndim == 2:
        given = [np.flatnonzero(row).tolist() for row in labels]
        return several.find_label_issues(given, probabilities, **options)
    return single.find_label_issues(labels, probabilities, **options)


def _neighbours(codes: np.ndarray, parts: np.ndarray) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Near copies in other parts, and outliers, by the cosine distance of codes."""
    from sklearn.neighbors import NearestNeighbors

    rows = unit_length(codes)
    count = min(NEIGHBOURS, len(rows) - 1)
    model = NearestNeighbors(n_neighbors=count + 1, metric="cosine").fit(rows)
    bar, found = progress_bar(len(rows), "neighbours"), []
    for start in range(0, len(rows), CHUNK):
        found.append(model.kneighbors(rows[start : start + CHUNK]))
        bar(min(start + CHUNK, len(rows)))
    distances, nearest = (np.concatenate(values) for values in zip(*found, strict=True))
    own = nearest == np.arange(len(rows))[:, None]  # of copies, an image itself may not be first
    own[~own.any(axis=1), -1] = True
    distances, nearest = (values[~own].reshape(len(rows), count) for values in (distances, nearest))
    distances = np.where(distances < ROUNDING, 0, distances)
    typical = np.median(distances[:, 0])
    pairs = {}
    for i, j in zip(*np.nonzero(distances <= NEAR * typical), strict=True):
        first, second = sorted((int(i), int(nearest[i, j])))
        if parts[first] != parts[second]:
            pairs[first, second] = distances[i, j]
    mean = distances.mean(axis=1)
    low, high = np.quantile(mean, (0.25, 0.75))
    far = np.flatnonzero(mean > high + FAR * (high - low))
    return sorted(pairs, key=pairs.get), far[np.argsort(-mean[far], kind="stable")]
