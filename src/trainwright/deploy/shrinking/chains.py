"""What follows the units of a layer in a graph: up to the layers that take them in, operators that keep units apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.fx import Node

if TYPE_CHECKING:
    from torch.export import ExportedProgram

aten = torch.ops.aten
LINEAR = aten.linear.default
CONVOLUTIONS = (aten.conv1d.default, aten.conv2d.default, aten.conv3d.default, aten.conv1d.padding, aten.conv2d.padding)
BATCH_NORM = aten.batch_norm.default
APART = tuple(
    getattr(aten, name).default
    for name in (
        *("relu", "relu_", "gelu", "silu", "silu_", "tanh", "sigmoid", "elu", "elu_", "leaky_relu", "leaky_relu_", "hardswish", "softplus"),
        *("mish", "selu", "relu6", "hardtanh", "hardsigmoid", "dropout", "dropout_", "feature_dropout", "clone", "contiguous", "detach"),
    )
    if hasattr(aten, name)
)
"""Functions of each number by itself."""
POOLS = tuple(
    getattr(aten, name).default
    for name in ("max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d", "adaptive_avg_pool1d", "adaptive_avg_pool2d")
)
"""Functions of each channel by itself."""
FLATTEN = aten.flatten.using_ints


@dataclass
class Reader:
    """A layer that takes the units in."""

    node: Node
    weight: str
    bias: str
    """Empty where it has none."""
    places: int = 1
    """How many of its inputs a unit has: more than one where channels were laid out flat."""


@dataclass
class Chain:
    """A layer, what follows it, and who reads its units."""

    layer: str
    """The full name of its weight."""
    bias: str
    node: Node
    between: list[Node] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    """Tensors with an entry for each unit: those of batch norms."""
    readers: list[Reader] = field(default_factory=list)
    why: str = ""
    """Why its units cannot be taken out; empty where they can."""

    @property
    def flat(self) -> bool:
        """Whether units are the last axis, else the second."""
        return self.node.target is LINEAR


class Names:
    """Full names of the tensors that a graph takes from its module."""

    def __init__(self, program: ExportedProgram) -> None:
        signature = program.graph_signature
        self.by_node: Mapping[str, str] = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}

    def of(self, node: Any) -> str:
        """The name of a tensor; empty where it is none of the module's."""
        return self.by_node.get(node.name, "") if isinstance(node, Node) else ""


def find_chains(program: ExportedProgram) -> list[Chain]:
    """The linear layers and convolutions of a graph, with what reads their units."""
    names = Names(program)
    nodes = [node for node in program.graph.nodes if node.target is LINEAR or node.target in CONVOLUTIONS]
    return [chain for node in nodes if (chain := _follow(node, names)).layer]


def _follow(node: Node, names: Names) -> Chain:
    bias = node.args[2] if len(node.args) > 2 else None
    chain = Chain(names.of(node.args[1]), names.of(bias), node)
    if bias is not None and not chain.bias:
        chain.why = "its bias is computed"
    elif node.target in CONVOLUTIONS and groups_of(node) != 1:
        chain.why = "it is a convolution in groups"
    elif any(isinstance(each, Node) and len(each.users) > 1 for each in (node.args[1], bias)):
        chain.why = "its weight is used in several places"
    todo: list[tuple[Node, int]] = [(node, 1)]
    while todo and not chain.why:
        current, places = todo.pop()
        for user in current.users:
            todo += _take(user, current, places, chain, names)
    if not chain.readers and not chain.why:
        chain.why = "nothing that could be made smaller reads it"
    return chain


def _take(user: Node, given: Node, places: int, chain: Chain, names: Names) -> list[tuple[Node, int]]:
    """What is followed next after a user of units; what it is goes into the chain."""
    first = bool(user.args) and user.args[0] is given and not any(each is given for each in user.args[1:])
    if user.target in APART and first:
        chain.between.append(user)
        return [(user, places)]
    if not chain.flat and places == 1 and first and (user.target in POOLS or user.target is BATCH_NORM):
        chain.between.append(user)
        chain.beside += [names.of(each) for each in user.args[1:5] if names.of(each)] if user.target is BATCH_NORM else []
        return [(user, places)]
    if user.target is BATCH_NORM and first and given.meta["val"].dim() == 2:
        chain.between.append(user)
        chain.beside += [names.of(each) for each in user.args[1:5] if names.of(each)]
        return [(user, places)]
    if user.target is FLATTEN and first and not chain.flat and tuple(user.args[1:]) in ((1,), (1, -1)):
        size = user.meta["val"].shape[1] // given.meta["val"].shape[1]
        if isinstance(size, int) or str(size).isdigit():
            return [(user, int(size))]
    reads = user.target is LINEAR if chain.flat or places > 1 or _was_flattened(given) else user.target in CONVOLUTIONS
    weight = names.of(user.args[1]) if len(user.args) > 1 else ""
    if not (first and reads and weight and (user.target is LINEAR or groups_of(user) == 1)):
        chain.why = f"its units go into {_shown(user)}"
        return []
    bias = user.args[2] if len(user.args) > 2 else None
    chain.readers.append(Reader(user, weight, names.of(bias), places))
    if len(user.args[1].users) > 1:  # type: ignore[union-attr]
        chain.why = f"{weight} is used in several places"
    return []


def _was_flattened(node: Node) -> bool:
    while node.target in APART:
        node = node.args[0]  # type: ignore[assignment]
    return node.target is FLATTEN


def _shown(user: Node) -> str:
    return "the answer" if user.op == "output" else str(user.target).removeprefix("aten.").partition(".")[0]


def groups_of(node: Node) -> int:
    """The groups of a convolution."""
    return int(node.args[6]) if len(node.args) > 6 else int(node.kwargs.get("groups", 1))  # type: ignore[arg-type]


def constants(chain: Chain, tensors: Mapping[str, Tensor], names: Names, side: int = 48) -> Tensor:
    """What each unit gives its readers when the layer gives nothing but its bias, one number a unit; NaN where it differs by place."""
    weight = tensors[chain.layer]
    bias = tensors[chain.bias] if chain.bias else weight.new_zeros(len(weight))
    spatial = weight.dim() - 2
    values: dict[Node, Tensor] = {chain.node: bias.view(1, -1, *[1] * spatial).expand(1, -1, *[side] * spatial).clone()}

    def given(each: Any) -> Any:
        if isinstance(each, Node):
            return values[each] if each in values else tensors[names.of(each)]
        return each

    for node in chain.between:
        target: Any = node.target
        values[node] = target(*[given(each) for each in node.args], **{key: given(each) for key, each in node.kwargs.items()})
    found = weight.new_full((len(weight),), torch.nan)
    for reader in chain.readers:
        source = reader.node.args[0]
        while isinstance(source, Node) and source.target is FLATTEN:
            source = source.args[0]
        flat = values[source].movedim(1, 0).flatten(1)  # type: ignore[index]
        same = (flat == flat[:, :1]).all(1)
        now = torch.where(same, flat[:, 0], torch.nan)
        found = now if reader is chain.readers[0] else torch.where(now == found, now, torch.nan)
    return found
