"""What is common to numbers of pictures: their range, rows of a batch, and whole numbers made of fractions."""

from __future__ import annotations

from typing import TypedDict

import torch
from torch import Tensor


class Kind(TypedDict):
    """Type of numbers and device of a tensor that is made."""

    dtype: torch.dtype
    device: torch.device


def largest(picture: Tensor) -> float:
    """White: 255 of uint8, 1 of floats, the greatest number of other whole ones."""
    return 1.0 if picture.is_floating_point() else float(torch.iinfo(picture.dtype).max)


def in_floats(picture: Tensor) -> Tensor:
    """The numbers as they are, in float32 where they are whole."""
    return picture if picture.is_floating_point() else picture.float()


def as_before(found: Tensor, given: Tensor) -> Tensor:
    """Fractions in the type of what was given, rounded and within its range where that is whole."""
    if given.is_floating_point():
        return found.to(given.dtype)
    return found.clamp(0, largest(given)).round().to(given.dtype)


def cut_off(found: Tensor, given: Tensor) -> Tensor:
    """Numbers within the range of what was given, in its type: of whole ones the fraction is cut off, as torchvision does."""
    return found.clamp(0, largest(given)).to(given.dtype)


def flat(picture: Tensor) -> tuple[Tensor, torch.Size]:
    """`(…, c, h, w)` as `(rows, c, h, w)`, and the shape that it had."""
    shape = picture.shape
    return picture.reshape(-1, *shape[-3:]), shape


def to_dtype(picture: Tensor, dtype: torch.dtype) -> Tensor:
    """Another type of number, white staying white: floats times 255.999 cut off become uint8, as torchvision has it."""
    if picture.dtype == dtype:
        return picture
    if picture.is_floating_point():
        if dtype.is_floating_point:
            return picture.to(dtype)
        return (picture * (torch.iinfo(dtype).max + 1 - 1e-3)).to(dtype)
    if dtype.is_floating_point:
        return picture.to(dtype) / largest(picture)
    raise ValueError(f"pictures are not turned from {picture.dtype} into {dtype}")
