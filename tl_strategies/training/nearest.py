"""Nearest neighbours among the codes of training images, as layers of plain Keras too."""

import dataclasses

import keras
import numpy as np
from keras import layers, ops

from tl_strategies.training.space import Space, unit_length

NEIGHBOURS = (1, 3, 5, 10, 20, 50)
VOTE = 0.07  # a neighbour's vote falls by e over this cosine distance (Wu et al. 2018)


@dataclasses.dataclass(frozen=True)
class Nearest:
    """Votes of the nearest training images by cosine."""

    space: Space
    codes: np.ndarray  # of training images, of unit length
    targets: np.ndarray  # of shape (training images, labels)
    choice: int  # how many vote

    def scores(self, codes: np.ndarray) -> np.ndarray:
        """The probabilities, of shape (images, labels)."""
        return self.votes(codes)[self.choice]

    def votes(self, codes: np.ndarray) -> dict[int, np.ndarray]:
        """The probabilities by the number of neighbours."""
        numbers = [number for number in NEIGHBOURS if number <= len(self.codes)]
        cosines = unit_length(self.space.project(codes)) @ self.codes.T
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, : numbers[-1]]
        shares = np.exp((np.take_along_axis(cosines, nearest, 1) - 1) / VOTE)[..., None]
        sums, totals = np.cumsum(self.targets[nearest] * shares, 1), np.cumsum(shares, 1)
        return {number: sums[:, number - 1] / totals[:, number - 1] for number in numbers}

    def install(self, model: keras.Model) -> keras.Model:
        """A model of plain Keras layers, with this classifier in place of the last one."""
        x, (count, labels) = model.layers[-1].input, self.targets.shape
        moments = {"mean": self.space.mean.tolist(), "variance": (self.space.scale**2).tolist()}
        x = layers.Normalization(name="head_standardize", dtype="float32", **moments)(x)
        x = layers.UnitNormalization(name="head_direction", dtype="float32")(x)
        cosines = layers.Dense(count, use_bias=False, name="head_cosines", dtype="float32")
        votes = layers.Embedding(count, labels, name="head_votes", dtype="float32")
        nearest, rows = ops.top_k(cosines(x), self.choice)
        shares = ops.expand_dims(ops.exp((nearest - 1) / VOTE), -1)
        outputs = ops.sum(shares * votes(rows), 1) / ops.sum(shares, 1)
        cosines.set_weights([self.codes.T])
        votes.set_weights([self.targets])
        return keras.Model(model.inputs[0], outputs, name=model.name)
