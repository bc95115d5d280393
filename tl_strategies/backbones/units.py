"""Units: the steps of depth, found from the graph of any flat functional Keras model.

1. A cut point is an operation through which every path from the input to the output runs: the
   network can be cut at its one output tensor. The operations between two cut points are a segment.
2. Segments are joined until each holds a kernel: what has none belongs to the unit before it, the
   preprocessing to the first one.
3. Neighbours whose kernels share a block's name (`block2a_…`, `conv3_block1_…`) are one unit, but
   where each is a plain kernel with its activation, as in VGG, or has merged its own paths.
"""

import collections
import dataclasses
import itertools
import math
import re
from typing import TYPE_CHECKING

from tl_strategies.errors import UsageError, unknown

if TYPE_CHECKING:
    import keras

BLOCK = re.compile(r"(?:.*?block_?\d+[a-z]?|expanded_conv(?:_\d+)?)(?=_|$)")


@dataclasses.dataclass(frozen=True)
class Unit:
    """One step of depth.

    Attributes:
        depth: its number, from 1.
        name: the block's, or that of its only kernel, or of the operation that merges its paths;
            `unit<depth>` where Keras made up the names.
        layers: the names of its operations, in the order in which they run.
        parameters: the number of its weights' entries, the untrained ones included.
        output_shape: of its one output tensor, without the batch axis.
    """

    depth: int
    name: str
    layers: tuple[str, ...]
    parameters: int
    output_shape: tuple[int | None, ...]


def find_units(model: "keras.Model") -> list[Unit]:
    """The units of a flat functional model, in order; UsageError where it is none."""
    pieces = _join_blocks(_join_kernels(_segments(graph_nodes(model))))
    units, names = [], set()
    for depth, piece in enumerate(pieces, 1):
        name = _unit_name(piece) or f"unit{depth}"
        name = f"{name}_{depth}" if name in names else name
        names.add(name)
        layers = tuple(node.operation.name for node in piece)
        parameters = sum(math.prod(weight.shape) for node in piece for weight in _weights(node))
        units.append(Unit(depth, name, layers, parameters, piece[-1].outputs[0].shape[1:]))
    return units


def find_depth(n: int | str, units: list[Unit], flag: str = "n") -> int:
    """The depth that a flag names: a count, a negative count from the end, or a unit's name."""
    try:
        depth = int(n)
    except ValueError:
        names = {unit.name: unit.depth for unit in units}
        if n not in names:
            raise unknown(f"--{flag} as a unit's name", str(n), names) from None
        return names[n]
    if not -len(units) <= depth <= len(units):
        raise UsageError(
            f"--{flag} must be from 0 to {len(units)}, the number of units, or from -{len(units)} "
            f"to -1, counted from the end. Received: {n}. `tl-inspect` lists a backbone's units."
        )
    return depth if depth >= 0 else len(units) + depth


def coarse_units(model: "keras.Model", units: list[Unit]) -> list[Unit]:
    """The units that hold more than half of all kernels: there the network cannot be cut finely."""
    kernels = {node.operation.name: len(_kernel_weights(node)) for node in graph_nodes(model)}
    total = sum(kernels.values())
    return [unit for unit in units if 2 * sum(kernels[name] for name in unit.layers) > total > 4]


def multiply_adds(model: "keras.Model", units: list[Unit]) -> list[int]:
    """Multiply-adds of each unit for one image, of its convolutions and matrix products."""
    costs = {}
    for node in graph_nodes(model):
        entries = sum(math.prod(weight.shape) for weight in _kernel_weights(node))
        places = math.prod(node.outputs[0].shape[1:-1]) if entries else 0
        costs[node.operation.name] = entries * places
    return [sum(costs[name] for name in unit.layers) for unit in units]


def unit_output(model: "keras.Model", unit: Unit) -> "keras.KerasTensor":
    """The symbolic tensor at which the model can be cut above a unit."""
    node = next(node for node in graph_nodes(model) if node.operation.name == unit.layers[-1])
    return node.outputs[0]


def cut_tensors(model: "keras.Model") -> list["keras.KerasTensor"]:
    """The tensors, in order, at which the model can be cut after its first kernel began."""
    segments = itertools.dropwhile(lambda piece: not _kernels(piece), _segments(graph_nodes(model)))
    return [segment[-1].outputs[0] for segment in segments]


def first_kernel_input(model: "keras.Model") -> "keras.KerasTensor":
    """What the first kernel reads: images after their preprocessing."""
    node = next(node for node in graph_nodes(model) if is_kernel(node))
    return node.parent_nodes[0].outputs[0]


def graph_nodes(model: "keras.Model") -> list:
    """The nodes (calls of operations) from the input to the output, as they run."""
    if not hasattr(model, "_nodes_by_depth"):
        raise UsageError(
            f"A backbone must be a functional Keras model. Received: {model.name!r}, a "
            f"{type(model).__name__}."
        )
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise UsageError(
            f"A backbone must have one input and one output. Received: {model.name!r} with "
            f"{len(model.inputs)} inputs and {len(model.outputs)} outputs."
        )
    by_depth = model._nodes_by_depth
    nodes = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]
    uses = collections.Counter(node.operation.name for node in nodes)
    twice = next((name for name in uses if uses[name] > 1), None)
    if twice is not None:
        raise UsageError(
            f"A backbone must use each layer once. Received: {twice!r} used twice. Give each use a "
            "layer of its own; `load_backbone` does so for layers without weights."
        )
    return nodes


def _segments(nodes: list) -> list[list]:
    """The nodes split after each cut point.

    A node is one iff (paths from the input) × (paths to the output) = all paths.
    """
    place = {id(node): i for i, node in enumerate(nodes)}
    parents = [[place[id(parent)] for parent in node.parent_nodes] for node in nodes]
    paths_in = [1] * len(nodes)
    for i in range(1, len(nodes)):
        paths_in[i] = sum(paths_in[parent] for parent in parents[i])
    paths_out = [0] * (len(nodes) - 1) + [1]
    for i in range(len(nodes) - 1, 0, -1):
        for parent in parents[i]:
            paths_out[parent] += paths_out[i]
    segments, start = [], 0
    for i, node in enumerate(nodes):
        if paths_in[i] * paths_out[i] == paths_in[-1] and len(node.outputs) == 1:
            segments.append(nodes[start : i + 1])
            start = i + 1
    return segments


def _weights(node) -> list:
    return getattr(node.operation, "weights", [])


def _kernel_weights(node) -> list:
    return [weight for weight in _weights(node) if len(weight.shape) > 1]


def is_kernel(node) -> bool:
    """Does it hold a weight of two or more axes: a convolution, a dense layer, a nested chain?"""
    return bool(_kernel_weights(node))


def _is_activation(node) -> bool:
    """Is it, or does it end in, something other than the identity, entry by entry?"""
    activation = getattr(node.operation, "activation", None)
    if activation is not None:
        return getattr(activation, "__name__", "") != "linear"
    return "relu" in type(node.operation).__name__.lower()


def _is_named(node) -> bool:
    """Did somebody name it? Keras's own names (`conv2d_94`) change from process to process."""
    automatic = re.sub(r"_\d+$", "", node.operation.name).replace("_", "")
    return automatic != type(node.operation).__name__.lower()


def _kernels(piece: list) -> list:
    return [node for node in piece if is_kernel(node)]


def block_name(piece: list) -> str | None:
    """The block's name that the kernels of a piece share, or its operations where it has none."""
    named = [node for node in _kernels(piece) or piece if _is_named(node)]
    matches = [BLOCK.match(node.operation.name) for node in named]
    blocks = {match.group() if match else None for match in matches}
    return blocks.pop() if len(blocks) == 1 else None


def _join_kernels(segments: list[list]) -> list[list]:
    """Join segments until each holds a kernel.

    One without joins the piece before it, but for preprocessing and for the normalization that a
    block's name shows to be the beginning of the next.
    """
    pieces, waiting = [], []
    for i, segment in enumerate(segments):
        if _kernels(segment):
            pieces.append(waiting + segment)
            waiting = []
            continue
        following = next((later for later in segments[i + 1 :] if _kernels(later)), None)
        block = block_name(segment)
        starts = following is not None and block is not None and block == block_name(following)
        if not pieces or waiting or (starts and block != block_name(pieces[-1])):
            waiting = waiting + segment
        else:
            pieces[-1] += segment
    if not pieces:
        raise UsageError("A backbone must hold a kernel: a convolution or a dense layer.")
    return pieces


def _is_plain(piece: list) -> bool:
    """One kernel and its activation."""
    return len(_kernels(piece)) == 1 and any(map(_is_activation, piece))


def _merges(piece: list) -> list:
    """The nodes at which paths meet."""
    return [node for node in piece if len(node.parent_nodes) > 1]


def _join_blocks(pieces: list[list]) -> list[list]:
    """Join neighbours of one block, unless every one of them is plain, or a whole block itself."""
    joined = []
    for name, group in itertools.groupby(pieces, block_name):
        run = list(group)
        whole = name is None or all(map(_is_plain, run)) or all(map(_merges, run))
        joined += run if whole else [[node for piece in run for node in piece]]
    return joined


def _unit_name(piece: list) -> str | None:
    kernels, block = _kernels(piece), block_name(piece)
    if block is not None and (not _is_plain(piece) or _merges(piece)):
        return block
    telling = kernels if len(kernels) == 1 else _merges(piece)[-1:]
    return next((node.operation.name for node in telling if _is_named(node)), None)
