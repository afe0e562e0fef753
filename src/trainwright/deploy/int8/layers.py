"""The layers of an ONNX graph whose weights can be int8."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.name_patterns import fits

WEIGHT_AT = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1, "Gather": 0}
"""Operator with a weight → which of its inputs that is."""
CONVOLUTIONS = ("Conv", "ConvTranspose")
MADE_OF_PARAMETERS = ("aten.linear", "aten.conv", "aten.embedding", "aten._convolution", "aten.addmm")
"""What a node whose weight lost its name in constant folding was traced from, if the weight was a layer's and not a fixed table."""


@dataclass(frozen=True)
class Layer:
    """A node with a float weight: `name` is the path of its module where the exporter has kept it, else the name of the node."""

    name: str
    node: str
    operator: str
    weight: str
    values: int
    """Numbers in the weight."""


def name_nodes(model: Any) -> None:
    """Give every node of the graph a name of its own, by which the quantizer is told what to take."""
    taken: set[str] = set()
    for number, node in enumerate(model.graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{number}"
        taken.add(node.name)


def find_layers(model: Any, parameters: Collection[str] | None = None) -> list[Layer]:
    """The layers with float weights of two or more axes, in the order of the graph.

    With `parameters`, the names of a module's parameters, fixed tables (a filter bank, a scale) are none: only what was trained is rounded.
    """
    weights = {each.name: each for each in model.graph.initializer if each.data_type == 1 and len(each.dims) >= 2}
    found = []
    for node in model.graph.node:
        at = WEIGHT_AT.get(node.op_type)
        weight = weights.get(node.input[at]) if at is not None and len(node.input) > at else None
        if weight is None or not _trained(node, weight.name, parameters):
            continue
        values = 1
        for each in weight.dims:
            values *= each
        found.append(Layer(_path_of(node, weight.name), node.name, node.op_type, weight.name, values))
    return found


def _trained(node: Any, weight: str, parameters: Collection[str] | None) -> bool:
    if parameters is None or weight in parameters:
        return True
    traced = next((each.value for each in node.metadata_props if each.key == "pkg.torch.onnx.fx_node"), "")
    return any(f"torch.ops.{each}" in traced for each in MADE_OF_PARAMETERS)


def _path_of(node: Any, weight: str) -> str:
    """The dotted path of a layer: of its weight, or, where that lost its name in constant folding, of the module it was traced from."""
    return weight.rpartition(".")[0] or _module_of(node) or node.name


def _module_of(node: Any) -> str:
    scopes = next((each.value for each in node.metadata_props if each.key == "pkg.torch.onnx.name_scopes"), "")
    try:
        names = ast.literal_eval(scopes) if scopes else []
    except (ValueError, SyntaxError):
        return ""
    return names[-2] if isinstance(names, list) and len(names) > 1 and isinstance(names[-2], str) else ""


def leave_out(layers: Iterable[Layer], patterns: Collection[str], where: str) -> list[Layer]:
    """The layers that no pattern names; raises ConfigError for a pattern that names none, with the closest name."""
    layers = list(layers)
    names = [each.name for each in layers]
    for pattern in patterns:
        if not any(fits(name, pattern) for name in names):
            raise ConfigError(f"'{pattern}' names no layer that could be int8", where=where, fix=did_you_mean(pattern, names))
    return [each for each in layers if not any(fits(each.name, pattern) for pattern in patterns)]
