"""Networks that are trained many times: of cells of one shape only the weights differ."""

import collections
import dataclasses
import gc
from collections.abc import Mapping

import keras
import numpy as np
from keras import layers

from tl_strategies.backbones.surgery import leaves, reinitialize, unit_layers
from tl_strategies.plans.model import head_layers, set_precision, set_trainable
from tl_strategies.plans.plan import Plan
from tl_strategies.runs.job import Job
from tl_strategies.runs.trainer import Trainer
from tl_strategies.training.bn_statistics import adapt_statistics
from tl_strategies.training.features import Features
from tl_strategies.training.memory import release_gradients

ROOM = 500e6  # bytes that networks may take, as `network_bytes` estimates them
LAYER, PARAMETER = 1e6, 20  # bytes that each takes: of graphs; of its weight, state and copies


class Networks:
    """Models by their shape, so that building and tracing are paid for once in a process.

    Of large ones not all are kept: those used longest ago are forgotten, and made again when they
    are needed.
    """

    def __init__(self, trainer: Trainer):
        self.trainer = trainer
        self.made: collections.OrderedDict[tuple, Features] = collections.OrderedDict()

    def prepare(self, job: Job, weights: Mapping[str, np.ndarray]) -> Features:
        """The features of a cell's model, which has the weights that the cell starts from.

        Fresh ones are drawn with the seed of its job; those of units that its plan says are
        pretrained are given, by variable path.
        """
        plan, images, store = job.plan, self.trainer.images(job.settings), self.trainer.store
        shape = _shape(plan, job.backbone)
        if shape not in self.made:
            if len(self.made) >= max(1, ROOM // network_bytes(job.backbone)):
                self.made.popitem(last=False)
                release_gradients()
                gc.collect()
            self.made[shape] = self.trainer.features(job)
            self.made[shape].optimizers = {}
        self.made.move_to_end(shape)
        features = self.made[shape]
        features.plan, features.images = plan, images
        features.seconds, features.entries = 0.0, {}
        set_precision(features.model, job.settings.precision)  # a model that is saved loses it
        set_trainable(features.model, plan, job.units, None)
        _start_weights(features.model, job, weights)
        adapt_statistics(features.model, plan, job.units, images, store, job.settings.seed)
        return features


def network_bytes(backbone: keras.Model) -> float:
    """About how much memory a network above a backbone takes when it has been trained."""
    return LAYER * len(backbone.layers) + PARAMETER * backbone.count_params()


def _start_weights(model: keras.Model, job: Job, weights: Mapping[str, np.ndarray]) -> None:
    """Give every layer of a model what the job's plan says that it starts from."""
    keras.utils.set_random_seed(job.settings.seed)
    for layer in head_layers(model, job.units):
        reinitialize(layer)
    for row, unit in zip(job.plan.units, job.units, strict=True):
        for layer in unit_layers(model, unit):
            if row.weights == "fresh":
                reinitialize(layer)
            else:
                for weight in layer.weights:
                    weight.assign(weights[weight.path])
    draw = np.random.default_rng(job.settings.seed)
    for layer in model.layers:
        for leaf in leaves(layer):
            generator = getattr(leaf, "seed_generator", None)
            if generator is not None:  # of dropout
                generator.state.assign(np.array([draw.integers(2**31), 0], "uint32"))


def values_of(model: keras.Model) -> dict[str, np.ndarray]:
    """Values of a model's weights by variable path."""
    return {weight.path: keras.ops.convert_to_numpy(weight).copy() for weight in model.weights}


def _shape(plan: Plan, backbone: keras.Model) -> tuple:
    """What must be equal in two plans that share a compiled model."""
    rows = [(unit.trainable, unit.learning_rate_multiplier) for unit in plan.units]
    if any(isinstance(layer, layers.BatchNormalization) for layer in backbone.layers):
        rows += [(unit.bn, unit.weights) for unit in plan.units]  # fresh statistics move faster
    return plan.head.labels, *rows, *map(dataclasses.astuple, plan.phases)
