"""Contact sheets of the test images that a model has trouble with; beside the worst, heat maps."""

import itertools
from collections.abc import Iterator

import keras
import numpy as np
from matplotlib.figure import Figure

from tl_strategies import metrics
from tl_strategies.data.images import Images
from tl_strategies.data.listing import Listing
from tl_strategies.evaluation.heatmap import make_explain, upsampled
from tl_strategies.output import shown
from tl_strategies.task import Task
from tl_strategies.tracking.figures import CAPTION, drawable, overlay, sheet_figure

SHOWN = 24  # images on a sheet
COLUMNS = 8  # with heat maps


def trouble_sheets(
    images: Images, probabilities: np.ndarray, model: keras.Model
) -> Iterator[tuple[str, Figure]]:
    """Name and figure of the test images with the highest loss, and of the least certain ones."""
    listing, positions = images.listing, images.positions("test")
    losses = metrics.image_losses(probabilities, listing.labels[positions])
    margins = metrics.margins(probabilities, listing.task.multilabel)
    for name, order, what in (
        ("worst", -losses, "test images with the highest loss"),
        ("least certain", margins, "least certain test images"),
    ):
        chosen = np.argsort(order, kind="stable")[:SHOWN]
        pictures, title = images[positions[chosen]], f"{what}: label → predicted"
        captions = [_captions(listing, positions[i], probabilities[i]) for i in chosen]
        overlays = _overlays(model, pictures) if name == "worst" else None
        if overlays is None:
            yield name, sheet_figure(pictures, ["\n".join(pair) for pair in captions], title)
        else:
            both = np.stack([pictures, overlays], axis=1).reshape(-1, *pictures.shape[1:])
            texts, title = itertools.chain(*captions), f"{title}, and where that was seen"
            yield name, sheet_figure(both, [*texts], title, COLUMNS)


def _overlays(model: keras.Model, pictures: np.ndarray) -> np.ndarray | None:
    """Images with their heat maps over them; None, which is said, where the model has none."""
    try:
        maps = make_explain(model)(pictures.astype("float32"))[1].numpy()
    except Exception as error:  # of a user's layers: a picture is not worth a run
        print(f"no heat maps: {shown(' '.join(str(error).split())[:300])}", flush=True)
        return None
    pairs = zip(pictures, maps, strict=True)
    return np.stack([overlay(image, upsampled(values, image)) for image, values in pairs])


def _captions(listing: Listing, position: int, probabilities: np.ndarray) -> tuple[str, str]:
    """Label and prediction of an image, with their probabilities; the name of its file."""
    true = "" if listing.task.multilabel else f" {probabilities[listing.labels[position]]:.2g}"
    label = listing.label_text(position) or "none"
    predicted = predicted_text(listing.task, probabilities) or "none"
    lines = (
        f"{drawable(label, CAPTION - 8)}{true}",
        f"→ {drawable(predicted, CAPTION - 8)} {probabilities.max():.2f}",
    )
    return "\n".join(lines), listing.paths[position].rpartition("/")[2]


def predicted_text(task: Task, probabilities: np.ndarray) -> str:
    """The name of the likeliest label; of several labels, those that are likelier than not."""
    if not task.multilabel:
        return task.names[probabilities.argmax()]
    return ";".join(task.names[i] for i in np.flatnonzero(probabilities > 0.5))
