"""An int8 ONNX file from a float one, by ONNX Runtime: weights per channel, activations by calibrated ranges or ranged as they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.config.errors import RequestError
from trainwright.deploy.int8.layers import CONVOLUTIONS, Layer, name_nodes
from trainwright.deploy.int8.library import need, without_advice

Feed = dict[str, np.ndarray]
"""Name of an input → its values for some rows."""

PASSING = ("Relu", "Clip", "MaxPool", "AveragePool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze")
"""Operators that take int8 as it is and give it on, so that nothing is converted between two layers."""
JOINING = ("Add", "Concat")
"""Operators that put several int8 tensors together: the end of a residual block."""
RANGES = {"minmax": "MinMax", "entropy": "Entropy", "percentile": "Percentile"}


class Rows:
    """Rows for calibration, as ONNX Runtime asks for them; once round."""

    def __init__(self, feeds: Iterable[Feed]) -> None:
        self._feeds: Iterator[Feed] = iter(feeds)
        self.count = 0

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next rows; None where there are no more."""
        feed = next(self._feeds, None)
        if feed is None:
            return None
        self.count += len(next(iter(feed.values())))
        return feed


def write_static(
    source: Path, target: Path, layers: Sequence[Layer], feeds: Iterable[Feed] = (), ranges: str = "minmax", cache: Path | None = None
) -> int:
    """Write the file whose `layers` are int8, with activations in ranges that `feeds` calibrate (QDQ); the rows that were used.

    `cache` keeps the ranges of one calibration for the next, which then uses no rows. Convolutions keep int8 outputs, so that the next
    one reads them; of dense layers the outputs stay float: they are logits and numbers.
    """
    quantization, model = need("onnxruntime.quantization"), _ready(source, layers)
    rows = Rows(feeds)
    stacks = {each.weight: [{"quant_type": quantization.QuantType.QInt8, "symmetric": True}] for each in layers if each.is_stack}
    between = [each.name for each in model.graph.node if each.op_type in PASSING] + find_joins(model, layers)
    with without_advice():
        quantization.quantize_static(
            model,
            str(target),
            rows,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            calibrate_method=getattr(quantization.CalibrationMethod, RANGES[ranges]),
            op_types_to_quantize=sorted({each.operator for each in layers} | set(PASSING + JOINING)),
            nodes_to_quantize=[each.node for each in layers] + between,
            calibration_cache_path=cache,
            extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"], "TensorQuantOverrides": stacks},
        )
    _keep_description(source, target)
    return rows.count


def find_joins(model: Any, layers: Sequence[Layer]) -> list[str]:
    """The nodes of which all inputs are int8 already, as they come from convolutions: what they give can be int8 too."""
    convolutions = {each.node for each in layers if each.operator in CONVOLUTIONS}
    int8: set[str] = set()
    found = []
    for node in model.graph.node:
        joins = node.op_type in JOINING and all(each in int8 for each in node.input)
        if joins:
            found.append(node.name)
        if joins or node.name in convolutions or (node.op_type in PASSING and node.input[0] in int8):
            int8.update(node.output)
    return found


def write_dynamic(source: Path, target: Path, layers: Sequence[Layer]) -> None:
    """Write the file whose `layers` have int8 weights, with activations ranged over the rows of each call; see `refuse_slower`.

    Stacks of matrices are left float.
    """
    layers = [each for each in layers if not each.is_stack]
    quantization, model = need("onnxruntime.quantization"), _ready(source, layers)
    chosen = [each.node for each in layers]
    with without_advice():
        quantization.quantize_dynamic(
            model,
            str(target),
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_quantize=chosen + [f"{each}_MatMul" for each in chosen],  # as a Gemm is called once it is MatMul and Add
        )
    _keep_description(source, target)


def _ready(source: Path, layers: Sequence[Layer]) -> Any:
    """The float graph with names and shapes; raises RequestError where nothing in it can be int8."""
    onnx = need("onnx")
    if not layers:
        why = "it has no dense layer, convolution or embedding with trained float weights"
        raise RequestError("nothing of this model can be int8", where=str(source), why=why, fix="leave int8 out")
    model = onnx.shape_inference.infer_shapes(onnx.load(str(source)))
    name_nodes(model)
    return model


def _keep_description(source: Path, target: Path) -> None:
    """Give the int8 file the texts of the float one, and none of those that the quantizer notes for itself."""
    onnx = need("onnx")
    before, after = onnx.load(str(source), load_external_data=False), onnx.load(str(target))
    del after.metadata_props[:]
    after.metadata_props.extend(before.metadata_props)
    after.producer_name, after.producer_version = before.producer_name, before.producer_version
    onnx.save(after, str(target))
