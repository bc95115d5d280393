"""Memory: what TensorFlow's CPU kernels free is used again; what trainings leave is let go."""

import ctypes
import functools
import gc
import inspect
import math
import platform
import weakref
from collections.abc import Callable

import tensorflow as tf
from tensorflow.python.framework import ops

# Of glibc's mallopt(3), and of its mallinfo2(3).
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
HEAP = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
GARBAGE = 50e6  # bytes that may be held by what nobody uses any more

# Not public: where a version of TensorFlow has another, graphs stay, and nothing else changes.
_registered = getattr(getattr(ops, "gradient_registry", None), "_registry", {})
_kept = [math.inf]  # the least bytes in use since garbage was last collected


class _Heap(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in HEAP.split()]


@functools.cache
def keep_freed_memory() -> None:
    """Tell glibc not to return each large temporary tensor to the system.

    Without this, every training step maps and faults in its activations anew.
    """
    glibc = _glibc()
    if glibc is not None:
        glibc.mallopt(M_MMAP_MAX, 0)
        glibc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        glibc.mallopt(M_ARENA_MAX, 1)


def allocated() -> float | None:
    """Bytes of the heap that are in use, by garbage too; None where the system does not say.

    Blocks that were mapped before `keep_freed_memory` forbade it are not counted.
    """
    glibc = _glibc()
    if not hasattr(glibc, "mallinfo2"):  # since 2.33
        return None
    glibc.mallinfo2.restype = _Heap
    return float(glibc.mallinfo2().uordblks)


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None


def let_go() -> None:
    """Free what earlier trainings have left in this process.

    Networks and their graphs are cycles. Python looks for such when it has made many objects,
    however many bytes they hold; here it does when these have become many.
    """
    release_gradients()
    held = allocated()
    if held is None:
        gc.collect()
        return
    if held > _kept[0] + GARBAGE:
        gc.collect()
        _kept[0] = held = allocated()
    _kept[0] = min(_kept[0], held)


def release_gradients() -> None:
    """Let each custom gradient live as long as the graph that it belongs to, and no longer.

    TensorFlow registers them for ever: every trace of an optimizer's step one, and so do some
    activations, such as SiLU. It holds the whole graph that was traced with it, which would
    otherwise stay with the process.
    """
    for name, entry in list(_registered.items()):  # garbage collection may remove some meanwhile
        gradient = entry["type"]
        graph = _graph_of(gradient) if name.startswith("CustomGradient-") else None
        if graph is not None:
            graph.custom_gradients = [*getattr(graph, "custom_gradients", ()), gradient]
            entry["type"] = _weak(gradient, name)


def _graph_of(gradient: Callable) -> tf.Graph | None:
    """The graph of the tensors that a registered gradient holds; None where it holds none."""
    wrapped = inspect.getclosurevars(gradient).nonlocals.get("tape_grad_fn")
    if wrapped is None:  # of a loaded SavedModel, or weak already
        return None
    results = tf.nest.flatten(inspect.getclosurevars(wrapped).nonlocals.get("result", ()))
    return next((result.graph for result in results if hasattr(result, "graph")), None)


def _weak(gradient: Callable, name: str) -> Callable:
    """The same function, which does not keep it alive; when it dies, it is registered no more."""
    reference = weakref.ref(gradient, lambda dead: _registered.pop(name, None))
    return lambda operation, *gradients: reference()(operation, *gradients)
