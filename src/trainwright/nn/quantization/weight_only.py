"""Weights of dense layers as int8 or int4 for good: a smaller model, whose arithmetic stays float."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from trainwright.config.errors import FOREIGN, ConfigError
from trainwright.config.own_code import describe_failure
from trainwright.nn.quantization.library import need


def round_weights(module: nn.Module, weights: Literal["int8", "int4"], group: int = 128, where: str = "weights") -> None:
    """Round the weights of dense layers in place, by torchao: int8 with a scale per output, int4 with one per `group` of inputs.

    What is left are plain tensors: an exported program needs torch alone. int4 is packed by kernels for CUDA cards: raises ConfigError
    elsewhere, and where there is no dense layer.
    """
    quantization, unwrap = need("torchao.quantization", where), need("torchao.utils", where).unwrap_tensor_subclass
    layers = [each for each in module.modules() if type(each) is nn.Linear]
    if not layers:
        fix = "export convolutions as onnx with int8: static"
        raise ConfigError("the model has no dense layer whose weights could be rounded", where=where, fix=fix)
    if weights == "int4":
        _ensure_int4(layers, where)
    config = quantization.Int8WeightOnlyConfig() if weights == "int8" else quantization.Int4WeightOnlyConfig(group_size=group)
    try:
        quantization.quantize_(module, config, filter_fn=lambda each, _: type(each) is nn.Linear)
    except FOREIGN as error:  # a library of kernels that is not there, a width that they do not know
        fix = "weights: int8, or what the reason names"
        raise ConfigError(f"weights cannot be {weights}", where=where, why=describe_failure(error)[:300], fix=fix) from error
    unwrap(module)


def _ensure_int4(layers: list[nn.Linear], where: str) -> None:
    devices = {each.weight.device.type for each in layers}
    if devices != {"cuda"} or not torch.cuda.is_available():
        why = "int4 weights are packed for, and multiplied by, kernels of CUDA cards; on a processor they would be stored as int8"
        fix = "weights: int8, which is smaller anywhere; on a processor int8: static of the format onnx is also faster"
        raise ConfigError("int4 weights need a CUDA card", where=where, why=why, fix=fix)
