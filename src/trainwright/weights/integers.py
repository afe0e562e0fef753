"""Numbers as whole ones with a scale: int8 or uint8, of a whole tensor or channel by channel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Integers:
    """`values` stand for `scale · (values − zero_point)`; with an `axis` each index along it has a scale and a zero point of its own."""

    values: Tensor
    scale: Tensor
    zero_point: Tensor
    axis: int | None = None

    def restore(self) -> Tensor:
        """The numbers that the whole ones stand for, as float32; each at most half a scale from what was in range before."""
        scale, zero_point = (_along(each, self.values.dim(), self.axis) for each in (self.scale, self.zero_point))
        return (self.values.to(torch.float32) - zero_point) * scale


def quantize(
    tensor: Tensor, scale: Tensor | float, zero_point: Tensor | int = 0, axis: int | None = None, dtype: torch.dtype = torch.int8
) -> Integers:
    """`clip(round(x / scale) + zero_point)` within the dtype (int8, uint8), halves to even; `axis` where scales are a vector.

    What `torch.quantize_per_tensor` and `quantize_per_channel` give as `int_repr()`. Raises ValueError for a scale that is not positive,
    a zero point outside the dtype, or as many scales as the axis has not.
    """
    scales, zeros = torch.as_tensor(scale, dtype=torch.float32), torch.as_tensor(zero_point, dtype=torch.int32)
    ends = torch.iinfo(dtype)
    for each in (scales, zeros):
        if each.numel() != 1 and (axis is None or each.shape != (tensor.shape[axis],)):
            raise ValueError(f"{tuple(each.shape)} scales and zero points for a tensor of {tuple(tensor.shape)} along axis {axis}")
    if not bool((scales > 0).all() and scales.isfinite().all()):
        raise ValueError("a scale is the step between two numbers: it is positive and finite")
    if not bool((zeros >= ends.min).all() and (zeros <= ends.max).all()):
        raise ValueError(f"a zero point of {dtype} lies between {ends.min} and {ends.max}")
    step, zero = (_along(each, tensor.dim(), axis) for each in (scales, zeros))
    values = (torch.round(tensor.to(torch.float32) / step) + zero).clamp(ends.min, ends.max).to(dtype)
    return Integers(values, scales, zeros, axis)


def _along(values: Tensor, dimensions: int, axis: int | None) -> Tensor:
    if axis is None or values.numel() == 1:
        return values.reshape(())
    return values.reshape([-1 if each == axis % dimensions else 1 for each in range(dimensions)])


def fit_integers(tensor: Tensor, axis: int | None = None, dtype: torch.dtype = torch.int8) -> Integers:
    """A tensor in the range that it has: int8 about zero, s = max|x| / 127; uint8 from its least to its greatest, 0 among them,
    s = (max − min) / 255, z = round(−min / s). Zero is kept exactly. Raises ValueError for numbers that are not finite."""
    if not bool(tensor.isfinite().all()):
        raise ValueError("numbers that are not finite have no range")
    rows = tensor.detach().to(torch.float32)
    rows = rows.reshape(1, -1) if axis is None else rows.movedim(axis, 0).reshape(rows.shape[axis], -1)
    if dtype == torch.uint8:
        low, high = (each.clamp(max=0) if at == 0 else each.clamp(min=0) for at, each in enumerate(rows.aminmax(dim=1)))
        scale = _positive((high - low) / 255)
        zero_point = torch.round(-low / scale).to(torch.int32)
    else:
        scale = _positive(rows.abs().amax(dim=1) / 127)
        zero_point = torch.zeros(len(scale), dtype=torch.int32)
    if axis is None:
        scale, zero_point = scale.reshape(()), zero_point.reshape(())
    return quantize(tensor, scale, zero_point, axis, dtype)


def _positive(scale: Tensor) -> Tensor:
    """Scales; 1 for numbers that are all zero."""
    return torch.where(scale > 0, scale, torch.ones_like(scale))
