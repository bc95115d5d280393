"""Freed memory is used again without the system's help; trainings leave nothing behind."""

import collections
import gc
import platform
import resource
import weakref

import numpy as np
import pytest
from tensorflow.python.eager.polymorphic_function.atomic_function import RUNTIME_FUNCTION_REFS
from tensorflow.python.framework.ops import gradient_registry
from tensorflow.python.ops.script_ops import _py_funcs

import tl_strategies as tl
from tests.forked import call, prepare
from tl_strategies.training import memory
from tl_strategies.training.memory import GARBAGE, keep_freed_memory, let_go


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
