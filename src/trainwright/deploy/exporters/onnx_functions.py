"""Operations of torch that its ONNX exporter has no function for, or an inexact one, made of operations that ONNX has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

FLOAT = 1
"""ONNX's number for float32."""


def functions() -> dict[Any, Callable[..., Any]]:
    """What `torch.onnx.export(custom_translation_table=…)` takes; needs onnxscript."""
    aten = torch.ops.aten
    return {
        aten.searchsorted.Tensor: _searchsorted,
        aten.div.Tensor_mode: _div,
        aten.div.Scalar_mode: _div,
    }


def _div(self: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """Division; of whole numbers in whole numbers, which the exporter's own does in float32, so that days since 1970 come out wrong."""
    op = _operators()

    if not self.dtype.is_integer():
        quotient = op.Div(self, op.CastLike(other, self))
        return quotient if rounding_mode is None else op.Floor(quotient) if rounding_mode == "floor" else _trunc(op, quotient)
    if rounding_mode is None:
        return op.Div(op.Cast(self, to=FLOAT), op.Cast(other, to=FLOAT))
    other = op.CastLike(other, self)
    quotient = op.Div(self, other)  # towards zero
    if rounding_mode == "trunc":
        return quotient
    rest = op.Sub(self, op.Mul(quotient, other))
    zero, one = (op.CastLike(op.Constant(value_int=each), self) for each in (0, 1))
    below = op.And(op.Not(op.Equal(rest, zero)), op.Xor(op.Less(rest, zero), op.Less(other, zero)))
    return op.Where(below, op.Sub(quotient, one), quotient)


def _operators() -> Any:
    """The operators of ONNX as functions, of the oldest set that an export may have."""
    from onnxscript import opset18

    return opset18


def _trunc(op: Any, value: Any) -> Any:
    return op.Mul(op.Sign(value), op.Floor(op.Abs(value)))


def _searchsorted(
    sorted_sequence: Any, self: Any, *, out_int32: bool = False, right: bool = False, side: str | None = None, sorter: Any = None
) -> Any:
    """How many numbers of a sorted row [k] are below each of any others: bisection, unrolled, log2(k) steps of it."""
    op = _operators()

    del out_int32, sorter
    count = int(sorted_sequence.shape[-1])
    last, one, all_of_them = (op.Constant(value_int=each) for each in (count - 1, 1, count))
    found = op.Expand(op.Constant(value_ints=[0]), op.Shape(self))
    step = 1 << (count.bit_length() - 1)
    while step:
        further = op.Add(found, op.Constant(value_int=step))
        border = op.Gather(sorted_sequence, op.Min(op.Sub(further, one), last))
        below = op.LessOrEqual(border, self) if right or side == "right" else op.Less(border, self)
        found = op.Where(op.And(below, op.LessOrEqual(further, all_of_them)), further, found)
        step >>= 1
    return found
