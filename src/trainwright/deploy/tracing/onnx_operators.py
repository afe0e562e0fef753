"""The operators of a traced graph that ONNX has under other names, for `torch.onnx.export`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch

from trainwright.deploy.tracing import operator as operator

GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN_TANH": (0,), "RNN_RELU": (0,)}
"""Torch keeps the gates of an LSTM as input, forget, cell, output, ONNX as input, output, forget, cell; of a GRU torch has reset, update,
new, and ONNX update, reset, new."""


@cache
def translations() -> dict[Any, Callable[..., Any]]:
    """What `torch.onnx.export(program, custom_translation_table=…)` needs for programs of `trace_program`; needs onnxscript."""
    return {torch.ops.trainwright.recurrent.default: _recurrent}


def _recurrent(x: Any, lengths: Any, hidden: Any, cell: Any, weights: Any, mode: str, biased: bool) -> Any:
    op = _operators()
    directions, width = hidden.shape[0], hidden.shape[2]
    each = 4 if biased else 2
    ways = [weights[way * each : (way + 1) * each] for way in range(directions)]
    into, back, bias = _stack(ways, 0, mode, width), _stack(ways, 1, mode, width), _stack_biases(ways, mode, width) if biased else None
    about = {"hidden_size": width, "direction": "bidirectional" if directions == 2 else "forward"}
    given = (op.Transpose(x, perm=[1, 0, 2]), into, back, bias, op.Cast(lengths, to=6), hidden)
    if mode == "LSTM":
        y, h, c = op.LSTM(*given, cell, **about)
    elif mode == "GRU":
        (y, h), c = op.GRU(*given, linear_before_reset=1, **about), op.Identity(cell)
    else:
        function = "Relu" if mode == "RNN_RELU" else "Tanh"
        (y, h), c = op.RNN(*given, activations=[function] * directions, **about), op.Identity(cell)
    joined = op.Reshape(op.Transpose(y, perm=[2, 0, 1, 3]), op.Constant(value_ints=[0, 0, -1]))  # [t, d, b, h] → [b, t, d · h]
    return joined, h, c


def _operators() -> Any:
    from onnxscript import opset20

    return opset20


def _stack(ways: list[Any], place: int, mode: str, width: int) -> Any:
    """A weight of every direction along a new first dimension, gates in the order of ONNX."""
    op = _operators()
    axis = op.Constant(value_ints=[0])
    return op.Concat(*(op.Unsqueeze(_in_order(way[place], mode, width), axis) for way in ways), axis=0)


def _stack_biases(ways: list[Any], mode: str, width: int) -> Any:
    """The same of the two biases, one behind the other."""
    op = _operators()
    return op.Concat(_stack(ways, 2, mode, width), _stack(ways, 3, mode, width), axis=1)


def _in_order(weight: Any, mode: str, width: int) -> Any:
    """The rows of a weight, gates in the order of ONNX."""
    op, order = _operators(), GATES[mode]
    if len(order) == 1:
        return weight
    return op.Concat(*(_rows(weight, gate * width, (gate + 1) * width) for gate in order), axis=0)


def _rows(weight: Any, start: int, end: int) -> Any:
    op = _operators()
    return op.Slice(weight, op.Constant(value_ints=[start]), op.Constant(value_ints=[end]), op.Constant(value_ints=[0]))
