"""Whether the int8 numbers of a file stand for the weights they were made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.config.errors import RunError
from trainwright.deploy.int8.layers import Layer
from trainwright.deploy.int8.library import need

ROUNDING = 1e-3
"""Of a step: by how much float32 arithmetic may pass half a step."""
TURNED = "_Transposed"
"""What the quantizer adds to the name of a matrix that it lays the other way round."""


@dataclass(frozen=True)
class StoredWeight:
    """A weight as it is in the file: its largest error, in steps of its scale (0 to 0.5), and its bytes before and after."""

    layer: Layer
    error: float
    bytes_before: int
    bytes_after: int


def check_stored(source: Path, target: Path, layers: Sequence[Layer]) -> list[StoredWeight]:
    """Every weight W of `layers` beside its q in the int8 file: |W − s·(q − z)| ≤ s/2; raises RunError naming the layer that is not so."""
    onnx = need("onnx")
    before = {each.name: each for each in onnx.load(str(source)).graph.initializer}
    after = onnx.load(str(target)).graph
    return [_check(layer, onnx.numpy_helper.to_array(before[layer.weight]), after) for layer in layers]


def _check(layer: Layer, weight: np.ndarray, graph: Any) -> StoredWeight:
    stem, quantized, scale, zero = _stored(graph, layer)
    laid = weight.T if stem.endswith(TURNED) else weight
    shape = [1] * laid.ndim
    if scale.size > 1:
        shape[_axis(graph, f"{stem}_quantized")] = -1
    step = scale.astype(np.float64).reshape(shape)
    error = float((np.abs(laid - step * (quantized.astype(np.float64) - zero.astype(np.float64).reshape(shape))) / step).max(initial=0.0))
    if not error <= 0.5 + ROUNDING:
        why = f"a weight is {error:.3f} steps from its int8 number, and rounding is at most 0.5"
        raise RunError(f"the layer {layer.name} was not stored as it is", where=layer.weight, why=why, fix="leave it out: int8_skip")
    return StoredWeight(layer, error, weight.nbytes, quantized.nbytes + scale.nbytes + zero.nbytes)


def _stored(graph: Any, layer: Layer) -> tuple[str, np.ndarray, np.ndarray, np.ndarray]:
    """What the names of a weight's int8 tensors begin with; its int8 numbers, scales and zero points."""
    tensors, array = {each.name: each for each in graph.initializer}, need("onnx").numpy_helper.to_array
    for stem in (layer.weight, f"{layer.weight}{TURNED}"):
        if f"{stem}_quantized" in tensors:
            quantized, scale, zero = (array(tensors[f"{stem}_{part}"]) for part in ("quantized", "scale", "zero_point"))
            return stem, quantized, scale, zero
    fix = "leave it out: int8_skip"
    raise RunError(f"the layer {layer.name} is not int8 in the file", where=layer.weight, why="the quantizer passed it over", fix=fix)


def _axis(graph: Any, quantized: str) -> int:
    """The axis of a weight whose channels have a scale each: what its DequantizeLinear says, or the columns of a matrix product."""
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] == quantized:
            return int(next((each.i for each in node.attribute if each.name == "axis"), 1))
    return -1
