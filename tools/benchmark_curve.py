"""Time the cells of `tl-curve` against the same trainings by hand in Keras.

    python tools/benchmark_curve.py

One split of configs/yosinski_fashion_mnist.toml, in one process, every depth that --depths names.
By hand a cell is a new model, its first n layers with the base's weights (and frozen, but in
treatments with a +), `compile`, `fit` on arrays in memory, `evaluate` on validation and test
images. Ours is the cell as `tl-curve` trains it, with checkpoints, events and features. Both are
deterministic. The second direction of the split finds networks that the first has built and traced:
what a cell takes less there is what building and tracing cost.
"""

import argparse
import os
import pathlib
import tempfile
import time
import tomllib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from tl_strategies.analysis.study.cells import TREATMENTS, Cell, make_cells
from tl_strategies.analysis.study.checks import check_study
from tl_strategies.analysis.study.curve import halves_of, open_curve
from tl_strategies.analysis.study.settings import GROUPS, CurveSettings
from tl_strategies.analysis.study.study import Study
from tl_strategies.backbones import caffenet
from tl_strategies.data.images import Images
from tl_strategies.settings.run import Settings
from tl_strategies.settings.schema import names_of

PRESET = pathlib.Path(__file__).parents[1] / "configs" / "yosinski_fashion_mnist.toml"
DEEP = 5  # from which depth on frozen cells must be much cheaper


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--depths", default="1,3,5,7")
    parser.add_argument("--epochs", type=int, help="default: those of the preset")
    arguments = parser.parse_args()
    depths = [int(n) for n in arguments.depths.split(",")]
    config = tomllib.loads(PRESET.read_text())
    if arguments.epochs:
        config["epochs"] = arguments.epochs
    with tempfile.TemporaryDirectory() as directory:
        shared = {name: value for name, value in config.items() if name in names_of(*GROUPS)}
        where = {"run_dir": f"{directory}/study", "cache_dir": f"{directory}/cache"}
        settings = Settings(**shared, **where, deterministic=True)
        curve = CurveSettings(splits=1)
        job = open_curve(check_study(settings, curve), curve)
        study = Study(job, curve, halves_of(curve, job))
        cells = make_cells(list(study.halves.values()), TREATMENTS, depths, 1)
        ours = {}
        for cell in cells:
            ours[cell] = study.run(cell)["seconds"]
            print(f"{cell.name}: ours {ours[cell]:.1f} s", flush=True)
        bases = {"A": Cell("random0", "BA", "base", 0, 0), "B": Cell("random0", "AB", "base", 0, 0)}
        images = study.trainer.images(study.settings_of(bases["B"]))
        arrays = {part: arrays_of(images, part) for part in ("train", "validation", "test")}
        weights = {name: list(study._weights(cell_of(of)).values()) for name, of in bases.items()}
        by_hand = {}
        for cell in cells:
            if cell.direction == "AB":
                by_hand[cell] = train_by_hand(cell, settings, arrays, weights)
                print(f"{cell.name}: by hand {by_hand[cell]:.1f} s", flush=True)
    report(ours, by_hand)


def cell_of(base: Cell) -> Cell:
    """A cell that starts from a base."""
    return Cell(base.split, base.direction, "BnB", 1, base.repeat)


def arrays_of(images: Images, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Float images and labels of a part."""
    at = images.positions(part)
    return images[at].astype("float32"), images.listing.labels[at]


def train_by_hand(cell: Cell, settings: Settings, arrays: dict, weights: dict) -> float:
    """Seconds that a cell takes as anyone would write it."""
    start = time.perf_counter()
    backbone = caffenet.build("caffenet_mini", 28)
    transferred = {"A": "A", "B": "B"}.get(cell.treatment[0]) if cell.n else None
    if transferred:
        values = iter(weights[transferred])
        for layer in [layer for layer in backbone.layers if layer.weights][: cell.n]:
            layer.set_weights([next(values), next(values)])
    if not cell.treatment.endswith("+"):
        for layer in [layer for layer in backbone.layers if layer.weights][: cell.n]:
            layer.trainable = False
    labels = len(np.unique(arrays["train"][1]))
    outputs = keras.layers.Dense(labels, "softmax")(backbone.output)
    model = keras.Model(backbone.input, outputs)
    steps = -(-len(arrays["train"][1]) // settings.batch_size) * settings.epochs
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps)
    model.compile(
        keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(*arrays["train"], batch_size=settings.batch_size, epochs=settings.epochs, verbose=0)
    for part in ("validation", "test"):
        model.evaluate(*arrays[part], batch_size=48, verbose=0)
    return time.perf_counter() - start


def report(ours: dict[Cell, float], by_hand: dict[Cell, float]) -> None:
    """Print ratios of the direction that finds its networks traced."""
    again = {cell: ours[other(cell)] for cell in by_hand}
    deep = [c for c in by_hand if c.n >= DEEP and not c.treatment.endswith("+")]
    print(f"\n{'':<32}{'ours, s':>9}{'by hand, s':>12}{'ratio':>8}")
    for name, chosen in (
        ("frozen, first use", deep),
        (f"frozen, n >= {DEEP}", deep),
        ("fine-tuned and bases", [c for c in by_hand if c.treatment.endswith("+") or not c.n]),
        ("all cells", list(by_hand)),
    ):
        times = ours if name == "frozen, first use" else again
        own, hand = (sum(found[cell] for cell in chosen) for found in (times, by_hand))
        print(f"{name:<32}{own:>9.1f}{hand:>12.1f}{own / hand:>8.2f}")
    worst = max(again[cell] / by_hand[cell] for cell in deep)
    print(f"highest ratio of a frozen cell at n >= {DEEP}: {worst:.2f}")
    first, second = sum(ours[cell] for cell in by_hand), sum(again.values())
    print(
        f"building and tracing, once in a process: {first - second:.1f} s of {first + second:.1f} s"
    )


def other(cell: Cell) -> Cell:
    """The same in the other direction."""
    return Cell(cell.split, "BA", cell.treatment, cell.n, cell.repeat)


if __name__ == "__main__":
    main()
