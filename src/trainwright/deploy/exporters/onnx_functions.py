"""Operations of torch that its ONNX exporter has no function for, made of operations that ONNX has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def functions() -> dict[Any, Callable[..., Any]]:
    """What `torch.onnx.export(custom_translation_table=…)` takes; needs onnxscript."""
    return {torch.ops.aten.searchsorted.Tensor: _searchsorted}


def _searchsorted(
    sorted_sequence: Any, self: Any, *, out_int32: bool = False, right: bool = False, side: str | None = None, sorter: Any = None
) -> Any:
    """How many numbers of a sorted row [k] are below each of any others: bisection, unrolled, log2(k) steps of it."""
    from onnxscript import opset18 as op

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
