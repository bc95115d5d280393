"""The classifier on top of a network: found from the graph, read from the output down.

The kernels (dense layers, convolutions) that make class scores are the last ones on all paths to
the output. Where a softmax or sigmoid stands above them, anything without a kernel may lie between:
pooling, normalization, a temperature, an average of several heads. Without one it must be plain
that they make logits: a linear layer on a vector, and nothing that changes it above. Whatever else
a network ends in are features, and stays. Hidden layers below the last kernel stay too.
"""

import math

import keras
from keras import layers

from tl_strategies.backbones.units import graph_nodes, is_kernel

SCORES = ("softmax", "sigmoid", "sparsemax")  # how the names of such functions end
MERGES = {"add", "average", "maximum", "minimum", "concatenate", "stack"}  # of several heads
# What does not change logits, but by a factor or an offset.
PASSING = {"linear", "identity", "activityregularization", "rescaling", "multiply", "truedivide"}
PASSING |= {"divide", "subtract", "cast"}
NOISE = (layers.Dropout, layers.SpatialDropout1D, layers.SpatialDropout2D, layers.AlphaDropout)
NOISE += (layers.GaussianDropout, layers.GaussianNoise)
POOLING = (layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D)
POOLING += (layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D)
# Pooling too, where one place is left of several.
TO_ONE_PLACE = {"averagepooling2d", "mean", "max", "amax", "flatten", "reshape"}
SAVED = ("head_softmax", "head_sigmoid")  # how the models end that tl-run saves


def below_classifier(model: keras.Model) -> keras.KerasTensor | None:
    """What the classifier of a flat model reads, before the pooling below it, if there is one."""
    nodes = graph_nodes(model)
    output = _producer(model.outputs[0], nodes)
    scorers = _scorers(output, scored=False)
    if not scorers:
        return None
    saved = output.operation.name in SAVED
    below = {id(node): node for node in (_below_pooling(s.parent_nodes[0], saved) for s in scorers)}
    found = _common(list(below.values()), nodes)
    return None if found is None else _below_pooling(found, saved).outputs[0]


def ends_in_features(model: keras.Model) -> bool:
    """Does a model plainly have no classifier: is its output spatial, or the pooling of such?"""
    node = _producer(model.outputs[0], graph_nodes(model))
    spatial = len(model.outputs[0].shape) > 2
    while not _makes_scores(node):
        if spatial or _pools(node):
            return True
        if is_kernel(node) or len(node.parent_nodes) != 1:
            return False
        node = node.parent_nodes[0]
    return False


def _producer(tensor: keras.KerasTensor, nodes: list):
    return next(node for node in nodes if any(tensor is output for output in node.outputs))


def _function(node) -> str:
    """The function that it computes, or that is applied to what its kernel makes."""
    kind = type(node.operation).__name__
    activation = getattr(node.operation, "activation", None)
    if activation is not None:
        kind = getattr(activation, "__name__", type(activation).__name__)
    return kind.lower().replace("_", "")


def _makes_scores(node) -> bool:
    return _function(node).endswith(SCORES)


def _places(tensor: keras.KerasTensor) -> int:
    """The number of places of a feature map, or of tokens; 1 of a vector."""
    return math.prod(side or 2 for side in tensor.shape[1:-1])


def _pools(node) -> bool:
    """Does it make one place of several?"""
    if isinstance(node.operation, POOLING):
        return True
    places = [_places(tensor) for tensor in (*node.input_tensors[:1], *node.outputs)]
    return _function(node) in TO_ONE_PLACE and places[0] > places[1] == 1


def _keeps_values(node) -> bool:
    """Is it a change of shape alone, or nothing in inference?"""
    if isinstance(node.operation, NOISE) or _function(node) in ("linear", "identity"):
        return not is_kernel(node)
    reshapes = _function(node) in ("flatten", "reshape", "squeeze")
    return reshapes and _places(node.input_tensors[0]) == _places(node.outputs[0]) == 1


def _scorers(node, scored: bool) -> list:
    """The kernels that make class scores, one on each path to a node; none where one has no such.

    `scored` says whether there is a softmax or sigmoid above the node.
    """
    scored = scored or _makes_scores(node)
    if is_kernel(node) and not isinstance(node.operation, layers.PReLU):
        whole = len(node.parent_nodes) == 1 and not node.operation._layers
        logits = _function(node) == "linear" and _is_vector(node)
        return [node] if whole and (scored or logits) else []
    parents = node.parent_nodes
    vectors = all(_places(tensor) == 1 for tensor in node.input_tensors)
    if len(parents) != 1 and not (_function(node) in MERGES and vectors):
        return []
    averages = _function(node) == "mean" and _function(parents[0]) == "stack"
    passes = _keeps_values(node) or _function(node) in PASSING | MERGES or averages
    if not (scored or passes):
        return []
    found = [_scorers(parent, scored) for parent in parents]
    return [kernel for kernels in found for kernel in kernels] if all(found) else []


def _is_vector(node) -> bool:
    """Does a kernel read a vector, or one place, which global pooling has left?"""
    if len(node.input_tensors[0].shape) == 2:
        return True
    while len(node.parent_nodes) == 1 and _places(node.input_tensors[0]) == 1:
        node = node.parent_nodes[0]
        if _pools(node):
            return True
    return False


def _below_pooling(node, saved: bool):
    """The node before pooling and dropout; before the whole head of a model that tl-run saved."""
    while node.parent_nodes and (
        _pools(node) or _keeps_values(node) or (saved and node.operation.name.startswith("head_"))
    ):
        node = node.parent_nodes[0]
    return node


def _common(found: list, nodes: list):
    """What several heads read in common; None where too much would be lost.

    It is the last tensor that runs into all of them, where only hidden layers on vectors lie
    between; else what the highest of them reads, where that is made from what the others read.
    """
    if len(found) == 1:
        return found[0]
    above, through = {}, {}  # by node: what it is made from, with itself; what all its paths meet
    for node in nodes:
        parents = [id(parent) for parent in node.parent_nodes]
        above[id(node)] = {id(node)}.union(*(above[parent] for parent in parents))
        shared = set.intersection(*(through[parent] for parent in parents)) if parents else set()
        through[id(node)] = {id(node)} | shared
    names = {id(node) for node in found}
    shared = set.intersection(*(through[name] for name in names))
    last = [node for node in nodes if id(node) in shared][-1]
    lost = set.union(*(above[name] for name in names)) - above[id(last)]
    kernels = [node for node in nodes if id(node) in lost and is_kernel(node)]
    if all(len(node.outputs[0].shape) == 2 for node in kernels):
        return last
    return next((node for node in found if names <= above[id(node)]), None)
