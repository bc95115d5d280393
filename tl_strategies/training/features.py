"""Features: the output of the frozen prefix for each image, computed once and kept in the store."""

import dataclasses
import functools
import time
from collections.abc import Iterator

import keras
import numpy as np

from tl_strategies.backbones.folding import VERSION
from tl_strategies.backbones.surgery import cut
from tl_strategies.backbones.units import Unit
from tl_strategies.data.images import Images
from tl_strategies.image_size import size_text
from tl_strategies.plans.model import depth_tensor
from tl_strategies.plans.plan import Plan
from tl_strategies.store.rows import LazyRows, joined, sliced
from tl_strategies.store.store import Store
from tl_strategies.store.wanted import Wanted
from tl_strategies.tracking.progress import progress_bar
from tl_strategies.training.forward import FoldedForward, Forward, identity_of, run_rows
from tl_strategies.training.inputs import Inputs


@dataclasses.dataclass
class Features:
    """The features of a model at any depth.

    Suffixes are compiled in `optimizers`: for what, by depth, and how their optimizers began. None
    gives every phase a new one.
    """

    model: keras.Model
    plan: Plan
    units: list[Unit]
    images: Images
    store: Store  # one without a directory computes features in every epoch
    seconds: float = 0.0  # spent on computing and finding them
    entries: dict[int, tuple[str, int]] = dataclasses.field(default_factory=dict)
    optimizers: dict[int, tuple[tuple, list]] | None = None
    _cuts: dict[int, tuple] = dataclasses.field(default_factory=dict, init=False)
    _forwards: dict[tuple, FoldedForward] = dataclasses.field(default_factory=dict, init=False)

    @property
    def summary(self) -> dict[str, int | str]:
        """Bytes of all features used, and "off" if none are stored, "hit" if all were found."""
        statuses = {status for status, _ in self.entries.values()}
        status = "miss" if "miss" in statuses else "hit" if statuses else "off"
        return {"status": status, "bytes": sum(size for _, size in self.entries.values())}

    def replace_model(self, model: keras.Model) -> None:
        """Go on with another model of the same units."""
        self.model = model
        self._cuts.clear()
        self._forwards.clear()

    def cut(self, depth: int) -> tuple[keras.Model | None, keras.Model]:
        """Prefix and suffix where the first `depth` units are frozen; the same ones each time."""
        if depth not in self._cuts:
            self._cuts[depth] = cut(self.model, self.tensor(depth))
        return self._cuts[depth]

    def forward(self, start: int, end: int | None) -> Forward:
        """From features at a depth (0: images) to those at another (None: probabilities).

        The weights are those of now; ask again when they have changed.
        """
        if (start, end) not in self._forwards:
            first = self.tensor(start) if start else self.model.inputs[0]
            stretch = self.cut(start)[1] if end is None else keras.Model(first, self.tensor(end))
            self._forwards[start, end] = FoldedForward(stretch)
        self._forwards[start, end].renew()
        return self._forwards[start, end]

    def kept(self, depth: int) -> bool:
        """Whether features at a depth are stored: there are some, and there is a store."""
        return depth > 0 and self.store.directory is not None

    def fetch(self, depth: int, inputs: dict[str, Inputs]) -> dict[str, np.ndarray | LazyRows]:
        """The prefix's output for each row of each part; the inputs themselves at depth 0.

        Where features at a shallower depth are stored, they are gone on from.
        """
        if depth == 0:
            return {part: given.array for part, given in inputs.items()}
        start = time.perf_counter()
        wanted = self.wanted(depth, inputs)
        entry = self.store.fetch(wanted)
        if entry is None:  # computed each time
            source = joined([given.array for given in inputs.values()])
            outputs = functools.partial(run_rows, self.forward(0, depth), source)
            whole = (len(wanted.keys), *wanted.shape)
            array = LazyRows(lambda rows: np.stack([*outputs(rows)]), whole, "float32")
        elif entry.absent:
            raise RuntimeError(f"{len(entry.absent)} features at depth {depth} were not computed.")
        else:
            array = entry.array
            if entry.status != "off":
                self.entries.setdefault(depth, (entry.status, wanted.bytes))
        ends = np.cumsum([len(given.keys) for given in inputs.values()])
        self.seconds += time.perf_counter() - start
        return {
            part: sliced(array, end - len(given.keys), end)
            for (part, given), end in zip(inputs.items(), ends, strict=True)
        }

    def wanted(self, depth: int, inputs: dict[str, Inputs]) -> Wanted:
        """Features at a depth above 0 of all parts' rows, as the store is asked for them."""
        prefix = self.cut(depth)[0]
        keys = np.concatenate([given.keys for given in inputs.values()])
        source = joined([given.array for given in inputs.values()])
        shape = tuple(prefix.outputs[0].shape[1:])

        def compute(positions: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
            bar = progress_bar(len(positions), f"features at depth {depth}")
            way = self._way_to(depth, keys[positions], source, positions)
            return zip(positions, run_rows(*way, bar), strict=True)

        metadata = {"kind": "features", "backbone": self.plan.backbone, "depth": depth}
        metadata["image_size"] = size_text(self.model.inputs[0].shape[1:3])
        return Wanted(self._identity(prefix), metadata, keys, shape, "float32", compute)

    def tensor(self, depth: int) -> keras.KerasTensor | None:
        """Where the model is cut at a depth; None at 0, which is images."""
        return depth_tensor(self.model, self.plan, self.units, depth)

    def _identity(self, prefix: keras.Model) -> dict[str, object]:
        return identity_of("features", self.images, prefix=prefix) | {"folding": VERSION}

    def _way_to(
        self, depth: int, keys: np.ndarray, source: LazyRows, rows: np.ndarray
    ) -> tuple[Forward, LazyRows, np.ndarray]:
        """What to run over which rows: of the deepest stored features below, or of the images."""
        depths = {
            table.get("depth")
            for table in self.store.tables()
            if table.get("kind") == "features" and table.get("backbone") == self.plan.backbone
        }
        lowest = min([depth - 1, *self.plan.head.units])  # above it, codes of units are joined
        for shallower in sorted(depths & set(range(1, lowest + 1)), reverse=True):
            middle = self.tensor(shallower)
            identity = self._identity(keras.Model(self.model.inputs[0], middle))

            def compute(positions: np.ndarray, end=shallower) -> Iterator[tuple[int, np.ndarray]]:
                outputs = run_rows(self.forward(0, end), source, rows[positions])
                return zip(positions, outputs, strict=True)

            shape = tuple(middle.shape[1:])
            found = self.store.peek(Wanted(identity, {}, keys, shape, "float32", compute))
            if found is not None:
                return self.forward(shallower, depth), found, np.arange(len(rows))
        return self.forward(0, depth), source, rows
