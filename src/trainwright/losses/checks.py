"""Refusals that losses share: shapes that would broadcast, types and values that would be misread."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from trainwright.config.errors import DataError

MEANT = "if it is meant, give the loss check_values: false"


def dtype_name(tensor: Tensor) -> str:
    """`float32`, `int64`, …"""
    return str(tensor.dtype).removeprefix("torch.")


def format_tensors(**tensors: Tensor) -> str:
    """Names, shapes and types in words."""
    return ", ".join(f"{name} {tuple(each.shape)} {dtype_name(each)}" for name, each in tensors.items())


def misfit(loss: str, why: str, fix: str, **tensors: Tensor) -> DataError:
    """The error for an output and a target that a loss cannot mean."""
    return DataError("the loss does not take this output and target", where=f"{loss}: {format_tensors(**tensors)}", why=why, fix=fix)


def same_shape(loss: str, output: Tensor, target: Tensor) -> None:
    """Raises DataError when one would be broadcast against the other."""
    if output.shape == target.shape:
        return
    why = "they would be broadcast against each other, and the loss would mean something else"
    fix = "reshape the target, or the model's output, so that both agree (`y.unsqueeze(1)`, `output.squeeze(1)`)"
    raise DataError(
        f"the model gives {tuple(output.shape)} for a target of {tuple(target.shape)}", where=f"loss '{loss}'", why=why, fix=fix
    )


def floats(loss: str, output: Tensor, target: Tensor) -> None:
    """Raises DataError for a target of whole numbers where a loss computes with it."""
    if not target.is_floating_point():
        fix = "give the target as floats (`y.float()`), in the shape of the model's output"
        raise misfit(loss, f"its target is {dtype_name(target)}, and the loss takes floats", fix, output=output, target=target)


def require(loss: str, holds: Tensor | bool, why: Callable[[], str], fix: str, **tensors: Tensor) -> None:
    """Raises the misfit unless it holds. Waits for the device: for use before the first step."""
    if not bool(holds):
        raise misfit(loss, why(), fix, **tensors)


def within(loss: str, low: float, high: float, what: str, fix: str, output: Tensor, target: Tensor) -> None:
    """Raises DataError for a target with values outside `low` to `high` or NaN, naming the first such row. Waits for the device."""
    if not target.numel() or (bool(target.min() >= low) and bool(target.max() <= high)):
        return
    outside = ~((target >= low) & (target <= high))
    raise misfit(loss, f"{what}, here {span(target)} ({first_row(outside, target)})", fix, output=output, target=target)


def first_row(wrong: Tensor, target: Tensor) -> str:
    """`row 40 has 7`: the first row, from 0, in which something is wrong, and its first wrong value."""
    row = int(wrong.reshape(len(wrong), -1).any(1).nonzero()[0])
    return f"row {row} has {target[row][wrong[row]].reshape(-1)[0].item():.6g}"


def span(tensor: Tensor) -> str:
    """`from a to b`, the range of the values."""
    return f"from {tensor.min().item():.4g} to {tensor.max().item():.4g}"


def signs(loss: str, output: Tensor, target: Tensor) -> None:
    """Raises DataError unless the target holds −1 and 1 only."""
    fix = "give −1 and 1: y * 2 - 1 for y of 0 and 1"
    require(
        loss,
        ((target == 1) | (target == -1)).all(),
        lambda: f"its target is −1 or 1, here {span(target)}",
        fix,
        output=output,
        target=target,
    )


def is_distribution(tensor: Tensor, dim: int = 1) -> bool:
    """Whether values are never negative and sum to 1 along a dimension, all over."""
    if tensor.shape[dim] < 2 or bool((tensor < 0).any()):
        return False
    tolerance = 1e-3 if tensor.dtype in (torch.float32, torch.float64) else 2e-2
    return bool(((tensor.float().sum(dim) - 1).abs() < tolerance).all())
