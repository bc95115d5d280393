"""Freed memory is used again without the system's help; trainings leave nothing behind.

Custom gradients go with their graphs, and work until then.
"""

import collections
import gc
import platform
import resource
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager.polymorphic_function.atomic_function import RUNTIME_FUNCTION_REFS
from tensorflow.python.framework.ops import gradient_registry
from tensorflow.python.ops.script_ops import _py_funcs

import tl_strategies as tl
from tests.forked import call, prepare
from tl_strategies.training import memory
from tl_strategies.training.memory import GARBAGE, keep_freed_memory, let_go, release_gradients


def check_faults():
    """Count how often the system is asked for memory, before and after it is told to leave it."""

    def faults():
        np.ones(8_000_000)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(5):
            np.ones(8_000_000)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    returned = faults()
    keep_freed_memory()
    kept = faults()
    assert kept < 0.1 * returned, (kept, returned)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_large_arrays_are_not_faulted_in_again(tmp_path):
    prepare()
    call(check_faults, log=tmp_path / "log")


class Cycle:
    """Is found by the garbage collector only."""

    def __init__(self, size):
        self.array = np.zeros(int(size), "uint8")
        self.self = self


@pytest.mark.parametrize("told", [True, False])
def test_garbage_goes_when_it_has_become_much(monkeypatch, told):
    """Where the system does not say how much there is, always."""
    keep_freed_memory()  # only then are all blocks counted
    gc.collect()
    let_go()
    if not told:
        monkeypatch.setattr(memory, "allocated", lambda: None)
    elif memory.allocated() is None:
        pytest.skip("needs glibc")
    gc.disable()
    try:
        small = weakref.ref(Cycle(0.1 * GARBAGE))
        let_go()
        assert (small() is None) == (not told)
        large = weakref.ref(Cycle(GARBAGE))
        let_go()
        assert large() is None
        assert small() is None
    finally:
        gc.enable()


def left():
    """What the process holds of graphs, networks and data sets."""
    let_go()
    gc.collect()
    held = collections.Counter(type(item).__name__ for item in gc.get_objects())
    names = ("FuncGraph", "Operation", "Functional", "KerasVariable", "LazyRows")
    return {
        **{name: held[name] for name in names},
        "functions": len(RUNTIME_FUNCTION_REFS),
        "gradients": len(gradient_registry.list()),
        "called": len(_py_funcs._funcs),
    }


@pytest.mark.parametrize(
    ("strategy", "options"),
    [
        ("partial", [{"n": 2}] * 2),
        ("partial", [{"n": n} for n in (0, 4)]),
        ("lp_ft", [{"learning_rate": rate} for rate in (0.01, "auto")]),
    ],
)
def test_runs_leave_nothing_behind(settings, tmp_path, strategy, options):
    held = []
    for number, own in enumerate(options):
        tl.fit(strategy, **settings | own | {"run_dir": str(tmp_path / f"run{number}")})
        held.append(left())
    # Data sets share a function by the shape of their rows, which the depth fixes.
    called = [counts.pop("called") for counts in held]
    depths = {own.get("n") for own in options}
    assert called[-1] - called[0] <= len(depths) - 1
    assert held == [held[0]] * len(held)


def registered():
    return {name for name in gradient_registry.list() if name.startswith("CustomGradient-")}


def optimizer_step():
    """A function that traces the step of an optimizer."""
    weight = keras.Variable(np.ones(3, "float32"))
    optimizer = keras.optimizers.SGD()
    optimizer.build([weight])

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(x * weight.value)
        optimizer.apply_gradients([(tape.gradient(loss, weight.value), weight)])

    return step


def activation():
    return tf.function(lambda x: tf.nn.silu(x))


@pytest.mark.parametrize("make", [optimizer_step, activation])
def test_gradients_die_with_their_graphs(make):
    release_gradients()
    gc.collect()
    before = registered()
    function = make()
    function(tf.ones(3))
    assert len(registered() - before) == 1
    release_gradients()
    gc.collect()
    assert len(registered() - before) == 1
    del function
    gc.collect()
    assert registered() <= before


def test_gradients_work_as_long_as_their_graphs_live():
    function = activation()
    x = tf.constant([0.5, -2.0])

    @tf.function
    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        return tape.gradient(y, x)

    function(x)
    for _ in range(2):
        release_gradients()
        gc.collect()
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = slope(x)
        sigmoid = tf.sigmoid(x)
        expected = sigmoid * (1 + x * (1 - sigmoid))
        np.testing.assert_allclose(y, expected, rtol=1e-6)
        release_gradients()
        assert np.isfinite(tape.gradient(y, x)).all()
