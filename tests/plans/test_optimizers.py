"""Multipliers scale what a variable moves; decay spares vectors; schedules at their ends."""

import keras
import numpy as np
import pytest

import tl_strategies as tl
from tl_strategies.plans.choices import OPTIMIZERS, SCHEDULES
from tl_strategies.plans.optimizers import carry_state, make_optimizer
from tl_strategies.plans.schedules import Later, Schedule


def first_step(name, multiplier, **options):
    variable = keras.Variable(np.linspace(1, 2, 6).reshape(2, 3), dtype="float32", name="kernel")
    optimizer = make_optimizer(name, 0.01, {variable.path: multiplier}, **options)
    optimizer.build([variable])
    before = np.array(keras.ops.convert_to_numpy(variable))
    gradient = keras.ops.convert_to_tensor(np.linspace(-1, 1, 6).reshape(2, 3).astype("float32"))
    optimizer.apply([gradient], [variable])
    return keras.ops.convert_to_numpy(variable) - before


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_a_multiplier_scales_the_first_step(name):
    whole, tenth = first_step(name, 1.0), first_step(name, 0.1)
    assert np.abs(whole).max() > 1e-6
    if name == "adafactor":  # its step also depends on the size of the rate itself
        assert np.abs(tenth).max() < np.abs(whole).max()
    else:
        np.testing.assert_allclose(tenth, 0.1 * whole, rtol=2e-3, atol=1e-7)


def test_decay_spares_vectors_and_has_the_multiplier():
    kernel = keras.Variable(np.ones((2, 2)), name="kernel")
    bias = keras.Variable(np.ones(2), name="bias")
    optimizer = make_optimizer("sgd", 0.1, {kernel.path: 0.5}, weight_decay=0.2)
    optimizer.build([kernel, bias])
    zeros = [keras.ops.zeros((2, 2)), keras.ops.zeros((2,))]
    optimizer.apply(zeros, [kernel, bias])
    np.testing.assert_allclose(kernel, np.full((2, 2), 1 - 0.1 * 0.5 * 0.2), rtol=1e-6)
    np.testing.assert_array_equal(bias, np.ones(2))


def test_an_optimizer_round_trips():
    """The copy has all of ours, and takes the same step."""
    optimizer = make_optimizer(
        "sgd",
        Schedule(0.1, 10, warmup=0.2),
        {"kernel": 0.1},
        weight_decay=0.5,
        anchors={"kernel": np.full((2, 2), 3.0, "float32")},
        l2_sp=0.7,
    )
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert again.multipliers == {"kernel": 0.1}
    assert again._learning_rate.get_config() == optimizer._learning_rate.get_config()
    stepped = []
    for one in (optimizer, again):
        variable = keras.Variable(np.ones((2, 2), "float32"), name="kernel")
        one.build([variable])
        one.apply([keras.ops.ones((2, 2))])
        stepped.append(keras.ops.convert_to_numpy(variable))
    np.testing.assert_array_equal(*stepped)
    assert (stepped[0] != 1).all()


@pytest.mark.parametrize("rate", [0.1, Later(keras.optimizers.schedules.CosineDecay(0.1, 20), 5)])
def test_an_optimizer_that_is_given_round_trips(rate):
    given = keras.optimizers.RMSprop(rho=0.8, clipnorm=0.5)
    optimizer = make_optimizer(given, rate, {"kernel": 0.1})
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert (again.rho, again.clipnorm, again.multipliers) == (0.8, 0.5, {"kernel": 0.1})
    if rate != 0.1:
        plain = keras.optimizers.schedules.CosineDecay(0.1, 20)
        assert float(again._learning_rate(3)) == pytest.approx(float(plain(8)))


@pytest.mark.parametrize("name", ["Ftrl", "ScheduleFreeAdamW", "adman"])
def test_refused_optimizers(name):
    with pytest.raises(tl.UsageError, match="--optimizer must"):
        make_optimizer(name, 0.1)


@pytest.mark.parametrize("shape", SCHEDULES)
def test_schedules_at_their_ends(shape):
    schedule = Schedule(2.0, 100, shape, warmup=0.1)
    rates = np.array([float(schedule(step)) for step in range(101)])
    assert 0 < rates[0] < 0.3
    assert rates.max() == pytest.approx(2.0)
    assert (np.diff(rates[:9]) > 0).all()
    assert (np.diff(rates[10:]) <= 1e-6).all()
    ends = {"constant": 2.0, "cosine": 0.0, "step": 0.02, "one_cycle": 0.0, "exponential": 0.02}
    assert rates[-1] == pytest.approx(ends[shape], abs=1e-6)
    later = Schedule(2.0, 100, shape, warmup=0.1, first_step=40)
    assert float(later(10)) == pytest.approx(rates[50])


def variable(name, value):
    return keras.Variable(np.full((2, 3), value), dtype="float32", name=name)


def train(optimizer, variables, steps, scale=1.0):
    """Steps down from 1, with gradients that differ from step to step."""
    for step in range(steps):
        gradients = [scale * (v - 1) * (1 + 0.3 * np.sin(step)) for v in variables]
        optimizer.apply(gradients, variables)


@pytest.mark.parametrize("name", sorted(set(OPTIMIZERS) - {"nadam", "adafactor"}))
def test_a_new_optimizer_goes_on_where_the_old_one_was(name):
    """What was trained before moves as under one optimizer; what was not, as under a new one."""
    split, whole, fresh, alone = (variable(f"{i}", 2.0) for i in range(4))
    first = make_optimizer(name, 0.01)
    first.build([split])
    train(first, [split], 20)
    second = make_optimizer(name, 0.01)
    second.build([fresh, split])
    carry_state(first, second)
    train(second, [fresh, split], 15)
    one = make_optimizer(name, 0.01)
    one.build([whole])
    train(one, [whole], 20)
    train(one, [whole], 15)
    new = make_optimizer(name, 0.01)
    new.build([alone])
    train(new, [alone], 15)
    np.testing.assert_allclose(split, whole, rtol=1e-5)
    np.testing.assert_allclose(fresh, alone, rtol=1e-5)
    assert np.abs(split - 2.0).min() > 1e-4


@pytest.mark.parametrize(
    "name", ["sgd", "adam", "adamw", "rmsprop", "lion", "adagrad", "nadam", "muon"]
)
def test_loss_scaling_keeps_the_multipliers(name):
    moved = {}
    for multiplier in (1.0, 0.1):
        kernel = variable("kernel", 2.0)
        optimizer = make_optimizer(name, 0.01, {kernel.path: multiplier}, scale_loss=True)
        optimizer.build([kernel])
        scale = float(optimizer.scale_loss(1.0))
        assert scale > 1000
        train(optimizer, [kernel], 1, scale)
        moved[multiplier] = np.asarray(kernel) - 2.0
    np.testing.assert_allclose(moved[0.1], 0.1 * moved[1.0], rtol=2e-3, atol=1e-7)
    assert np.abs(moved[1.0]).min() > 1e-5


def test_sgd_moves_in_proportion():
    kernels = {m: variable(f"k{m}", 2.0) for m in (1.0, 0.5, 0.01)}
    optimizer = make_optimizer("sgd", 0.01, {v.path: m for m, v in kernels.items()})
    optimizer.build(list(kernels.values()))
    train(optimizer, list(kernels.values()), 1)
    whole = np.asarray(kernels[1.0]) - 2.0
    for multiplier, kernel in kernels.items():
        assert np.abs(kernel - 2.0 - multiplier * whole).max() < 1e-6


def test_anchors_pull_in_proportion_to_the_distance():
    kernel, bias = variable("kernel", 3.0), variable("bias", 3.0)
    optimizer = make_optimizer("rmsprop", 0.1, anchors={kernel.path: np.ones((2, 3))}, l2_sp=0.5)
    optimizer.build([kernel, bias])
    zeros = keras.ops.zeros((2, 3))
    optimizer.apply([zeros, zeros], [kernel, bias])
    np.testing.assert_array_equal(bias, np.full((2, 3), 3.0))
    velocity = next(v for v in optimizer.variables if "kernel" in v.path)
    gradient = 0.5 * (3 - 1)
    np.testing.assert_allclose(velocity, np.full((2, 3), 0.1 * gradient**2), rtol=1e-5)
    assert (np.asarray(kernel) < 3).all()
