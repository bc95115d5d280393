"""Custom gradients, which TensorFlow registers for ever, are let go with their graphs."""

import functools
import inspect
import weakref
from collections.abc import Callable

import tensorflow as tf
from tensorflow.python.framework import ops

# Not public: where a version of TensorFlow has another, graphs stay, and nothing else changes.
_registered = getattr(getattr(ops, "gradient_registry", None), "_registry", {})


def release_gradients() -> None:
    """Let each custom gradient live as long as the graph that it belongs to, and no longer.

    Every trace of an optimizer's step registers one, and so do some activations, such as SiLU. It
    holds the whole graph that was traced with it, which would otherwise stay with the process.
    """
    for name, entry in list(_registered.items()):  # garbage collection may remove some meanwhile
        gradient = entry["type"]
        graph = _graph_of(gradient) if name.startswith("CustomGradient-") else None
        if graph is not None:
            graph.custom_gradients = [*getattr(graph, "custom_gradients", ()), gradient]
            entry["type"] = _weak(gradient, functools.partial(_forget, name))


def _graph_of(gradient: Callable) -> tf.Graph | None:
    """The graph of the tensors that a registered gradient holds; None where it holds none."""
    wrapped = inspect.getclosurevars(gradient).nonlocals.get("tape_grad_fn")
    if wrapped is None:  # of a loaded SavedModel, or weak already
        return None
    results = tf.nest.flatten(inspect.getclosurevars(wrapped).nonlocals.get("result", ()))
    return next((result.graph for result in results if hasattr(result, "graph")), None)


def _weak(gradient: Callable, forget: Callable) -> Callable:
    """The same function, which does not keep it alive; `forget` is called when it dies."""
    reference = weakref.ref(gradient, forget)
    return lambda operation, *gradients: reference()(operation, *gradients)


def _forget(name: str, reference: weakref.ref) -> None:
    _registered.pop(name, None)
