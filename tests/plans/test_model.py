"""From a plan to a model: flags, multipliers as movement, names."""

import keras
import numpy as np
import pytest

from tl_strategies.backbones.units import find_units
from tl_strategies.plans.model import build_model, set_trainable, variable_multipliers
from tl_strategies.plans.optimizers import make_optimizer
from tl_strategies.plans.plan import Phase
from tl_strategies.strategies import strategies
from tl_strategies.strategies.adapt import adapt
from tl_strategies.strategies.registry import create_strategy
from tl_strategies.testing import TASK, tiny_backbone, tiny_batch


@pytest.mark.parametrize("name", [n for n, cls in strategies().items() if n != "fixed"])
def test_sgd_moves_each_unit_in_proportion_to_its_multiplier(name):
    backbone = tiny_backbone()
    units = find_units(backbone)
    plan = create_strategy(name, None).plan(units, TASK)
    keras.utils.set_random_seed(0)
    model = build_model(plan, backbone, units)
    set_trainable(model, plan, units, plan.phases[-1])
    start = model.get_weights()
    rates = variable_multipliers(model, plan, units)
    moved = {}
    for kind, multipliers in (("plain", {}), ("scaled", rates)):
        model.set_weights(start)
        optimizer = make_optimizer("sgd", 1e-2, multipliers)
        optimizer.momentum, optimizer.nesterov = 0.0, False
        model.compile(optimizer, "sparse_categorical_crossentropy", jit_compile=False)
        keras.utils.set_random_seed(1)
        for layer in model.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0
        model.train_on_batch(*tiny_batch())
        moved[kind] = {
            weight.path: keras.ops.convert_to_numpy(weight) - before
            for weight, before in zip(model.weights, start, strict=True)
        }
    for weight in model.trainable_weights:
        expected = rates.get(weight.path, 1.0) * moved["plain"][weight.path]
        np.testing.assert_allclose(moved["scaled"][weight.path], expected, atol=3e-7)


def test_flags_follow_the_phase_and_checks_catch_others():
    backbone = tiny_backbone()
    units = find_units(backbone)
    plan = create_strategy("full", None).plan(units, TASK)
    model = build_model(plan, backbone, units)
    set_trainable(model, plan, units, Phase(1, trainable_from=4))
    trained = {weight.path.split("/")[0] for weight in model.trainable_weights}
    assert trained == {"block1c_conv", "top_conv", "head_softmax"}
    assert model.get_layer("block1a_drop").rate == 0.0
    assert model.get_layer("block1c_drop").rate == 0.5
    set_trainable(model, plan, units, None)
    assert {weight.path.split("/")[0] for weight in model.trainable_weights} == {"head_softmax"}


def test_statistics_of_fresh_units_move_fast():
    backbone = tiny_backbone()
    backbone.get_layer("top_bn").momentum = 0.99
    model = adapt(create_strategy("transplant", 3), backbone, TASK)
    assert model.get_layer("top_bn").momentum == 0.9


def test_adapt_trains_statistics_of_fresh_units_only():
    backbone = tiny_backbone()
    model = adapt(create_strategy("transplant", 3), backbone, TASK)
    before = {w.path: keras.ops.convert_to_numpy(w).copy() for w in model.weights}
    model.fit(*tiny_batch(), verbose=0)
    changed = {
        w.path
        for w in model.weights
        if w.path.endswith("moving_mean")
        and not np.array_equal(before[w.path], keras.ops.convert_to_numpy(w))
    }
    assert changed == {"block1c_bn/moving_mean", "top_bn/moving_mean"}
