"""The layers of an ONNX graph whose weights can be int8."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.name_patterns import fits
from trainwright.deploy.int8.library import need

WEIGHT_AT = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1, "Gather": 0}
"""Operator with a weight → which of its inputs that is."""
CONVOLUTIONS = ("Conv", "ConvTranspose")
FLOAT = 1
"""How ONNX calls float32."""


@dataclass(frozen=True)
class Layer:
    """A node with a float weight: `name` is the path of the module that has it, or the name of the node."""

    name: str
    node: str
    operator: str
    weight: str
    shape: tuple[int, ...]
    """Of the weight."""

    @property
    def values(self) -> int:
        """Numbers in the weight."""
        return math.prod(self.shape)

    @property
    def is_stack(self) -> bool:
        """Whether its weight is several matrices, which have one scale together: ONNX Runtime has no other kernel for them."""
        return self.operator == "MatMul" and len(self.shape) > 2


def name_nodes(model: Any) -> None:
    """Give every node of the graph a name of its own, by which the quantizer is told what to take."""
    taken: set[str] = set()
    for number, node in enumerate(model.graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{number}"
        taken.add(node.name)


def find_layers(model: Any, parameters: Mapping[str, np.ndarray] | None = None) -> list[Layer]:
    """The layers with float weights of two or more axes, in the order of the graph.

    With `parameters`, those of the module by name, fixed tables (a filter bank, a scale) are none: only what was trained is rounded. A
    weight that an exporter turned round or merged with its norm is known by its values, or its name.
    """
    array = need("onnx").numpy_helper.to_array
    weights = {each.name: each for each in model.graph.initializer if each.data_type == FLOAT and len(each.dims) >= 2}
    trained = None if parameters is None else _Parameters(parameters)
    found = []
    for node in model.graph.node:
        at = WEIGHT_AT.get(node.op_type)
        weight = weights.get(node.input[at]) if at is not None and len(node.input) > at else None
        if weight is None:
            continue
        name = weight.name if trained is None else trained.name_of(weight.name, array(weight))
        if name:
            shape = tuple(weight.dims)
            found.append(Layer(name.rpartition(".")[0] or node.name, node.name, node.op_type, weight.name, shape))
    return found


class _Parameters:
    """What was trained, found again by name or by the numbers in it."""

    def __init__(self, parameters: Mapping[str, np.ndarray]) -> None:
        self._names = set(parameters)
        self._by_size: dict[int, list[tuple[str, np.ndarray]]] = {}
        for name, each in parameters.items():
            self._by_size.setdefault(each.size, []).append((name, each))
        self._sorted: dict[str, np.ndarray] = {}

    def name_of(self, weight: str, values: np.ndarray) -> str:
        """The parameter that a weight is, however its axes lie; "" for none."""
        if weight in self._names:
            return weight
        candidates = self._by_size.get(values.size, [])
        if not candidates:
            return ""
        given = np.sort(values, axis=None)
        return next((name for name, each in candidates if np.array_equal(self._in_order(name, each), given)), "")

    def _in_order(self, name: str, values: np.ndarray) -> np.ndarray:
        if name not in self._sorted:
            self._sorted[name] = np.sort(values, axis=None)
        return self._sorted[name]


def leave_out(layers: Iterable[Layer], patterns: Collection[str], where: str) -> list[Layer]:
    """The layers that no pattern names; raises ConfigError for a pattern that names none, with the closest name."""
    layers = list(layers)
    names = [each.name for each in layers]
    for pattern in patterns:
        if not any(fits(name, pattern) for name in names):
            raise ConfigError(f"'{pattern}' names no layer that could be int8", where=where, fix=did_you_mean(pattern, names))
    return [each for each in layers if not any(fits(each.name, pattern) for pattern in patterns)]
