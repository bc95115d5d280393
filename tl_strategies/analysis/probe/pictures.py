"""What features look like: PCA and t-SNE of a shallow and a deep unit, and TensorBoard's projector.

As in Figure 1 of Donahue et al. (2014): deep features lie in clusters, shallow ones do not.
"""

import pathlib

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from PIL import Image
from tensorboard.plugins import projector

from tl_strategies.backbones.units import Unit
from tl_strategies.data.images import Images
from tl_strategies.directories import make_directory
from tl_strategies.files import atomic_write, write_text
from tl_strategies.output import shown
from tl_strategies.tracking.figures import drawable, plain_style, save_figure
from tl_strategies.training.space import standard_space

MOST = 1000  # images
NAMED = 12  # labels that the legend has room for
THUMBNAIL = 48  # pixels a side
FOLDER, PICTURE = "projector", "features.png"


def draw_features(
    directory: pathlib.Path, images: Images, codes: list[np.ndarray], units: list[Unit]
) -> None:
    """Write features.png and the projector's files, of some images of each label.

    Args:
        directory: of the probe.
        images: the data set.
        codes: of all its images, for each unit from a shallow to a deep one.
        units: whose codes they are.
    """
    chosen = images.some_of_each(MOST)
    rows = [standard_space(each).project(each)[chosen] for each in codes]
    listing = images.listing
    texts = [listing.label_text(i) or "none" for i in chosen]
    names = [f"unit {unit.depth}, {unit.name}" for unit in units]
    _write_projector(directory / FOLDER, images[chosen], texts, rows, names)
    ends = [0, -1] if len(rows) > 1 else [0]
    maps = [_maps(rows[i]) for i in ends]
    title = f"{len(chosen)} images of {listing.source}"
    figure = features_figure(maps, [names[i] for i in ends], texts, title)
    save_figure(figure, directory / PICTURE)


def _maps(codes: np.ndarray) -> list[np.ndarray]:
    """Places in the plane by PCA and by t-SNE, of shape (images, 2)."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    principal = PCA(min(50, *codes.shape), random_state=0).fit_transform(codes)
    near = min(30, (len(codes) - 1) / 3)
    places = TSNE(perplexity=near, init="pca", random_state=0).fit_transform(principal)
    return [principal[:, :2], places]


@plain_style()
def features_figure(
    maps: list[list[np.ndarray]], names: list[str], texts: list[str], title: str
) -> Figure:
    """Points coloured by label: a row for PCA and for t-SNE, a column a unit."""
    labels = sorted(set(texts), key=texts.count, reverse=True)
    figure = Figure(figsize=(5 * len(maps) + 1.5, 9.6), dpi=110, layout="constrained")
    grid = figure.subplots(2, len(maps), squeeze=False)
    colours = _colours(len(labels))
    for column, (pair, name) in enumerate(zip(maps, names, strict=True)):
        for axes, places, how in zip(grid[:, column], pair, ("PCA", "t-SNE"), strict=True):
            for label, colour in zip(labels, colours, strict=True):
                own = np.array([text == label for text in texts])
                axes.scatter(*places[own].T, s=9, color=colour, linewidths=0)
            axes.set(xticks=[], yticks=[])
            axes.set_title(f"{how} of {drawable(name, 40)}", fontsize=10)
    shown_labels = labels[:NAMED]
    marks = [grid[0, 0].scatter([], [], color=colour) for colour in colours[: len(shown_labels)]]
    legend = [drawable(label, 24) for label in shown_labels]
    more = f"the most frequent of {len(labels)}" if len(labels) > NAMED else None
    figure.legend(marks, legend, loc="outside right upper", fontsize=9, title=more, frameon=False)
    figure.suptitle(drawable(title, 90), fontsize=11)
    return figure


def _colours(count: int) -> list:
    """Colours that can be told apart as far as there are."""
    from matplotlib import colormaps

    few = colormaps["tab20" if count > 10 else "tab10"]
    if count <= 20:
        return [few(i) for i in range(count)]
    return [colormaps["turbo"](i / (count - 1)) for i in range(count)]


def _write_projector(
    folder: pathlib.Path,
    pictures: np.ndarray,
    texts: list[str],
    codes: list[np.ndarray],
    names: list[str],
) -> None:
    """Codes as vectors, labels as text, thumbnails as a sprite, and what says where they are."""
    make_directory(folder)
    write_text(folder / "labels.tsv", "".join(f"{shown(text)}\n" for text in texts))
    side = int(np.ceil(np.sqrt(len(pictures))))
    sprite = Image.new("RGB", (side * THUMBNAIL, side * THUMBNAIL), "white")
    for i, picture in enumerate(pictures):
        small = Image.fromarray(picture).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BICUBIC)
        sprite.paste(small, (i % side * THUMBNAIL, i // side * THUMBNAIL))
    with atomic_write(folder / "sprite.png") as aside:
        sprite.save(aside, format="png")
    config = projector.ProjectorConfig()
    for number, (rows, name) in enumerate(zip(codes, names, strict=True), 1):
        lines = ("\t".join(f"{value:.4g}" for value in row) for row in rows)
        write_text(folder / f"codes{number}.tsv", "\n".join(lines) + "\n")
        entry = config.embeddings.add(tensor_name=name, tensor_path=f"codes{number}.tsv")
        entry.metadata_path = "labels.tsv"
        entry.sprite.image_path = "sprite.png"
        entry.sprite.single_image_dim.extend([THUMBNAIL, THUMBNAIL])
    projector.visualize_embeddings(str(folder), config)
    tf.summary.create_file_writer(str(folder)).close()  # the page looks where there are events
