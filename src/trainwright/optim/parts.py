"""Parameters of which a process holds a part: what norms over the whole model need to know of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn


class Part(Protocol):
    """What a strategy that deals parameters over processes writes on each of them as `part`."""

    @property
    def counted(self) -> bool:
        """Whether this process is the one, of all that hold the same part, that counts it in a sum over the model."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole parameter."""

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where the part begins in each dimension."""

    def sum(self, tensor: Tensor, /) -> Tensor:
        """The sum of a small tensor over all processes."""

    def whole(self, tensor: Tensor, /) -> Tensor:
        """All of a tensor of which each process has the part that it has of the parameter."""

    def own(self, tensor: Tensor, /) -> Tensor:
        """Of a whole tensor the part that this process has of the parameter."""


def part_of(param: Tensor) -> Part | None:
    """The part that a parameter is; None where it is whole."""
    return getattr(param, "part", None)


def whole_size(param: Tensor) -> int:
    """How many values a parameter has, over all processes."""
    part = part_of(param)
    return param.numel() if part is None else math.prod(part.shape)


def parts_of(params: Iterable[nn.Parameter]) -> list[Part]:
    """The parts that the parameters with a gradient are, in order; empty where they are whole."""
    found = [part_of(param) for param in params if param.grad is not None]
    return [each for each in found if each is not None]


def whole_norms(norms: Sequence[Tensor], parts: Sequence[Part]) -> list[Tensor]:
    """2-norms of whole tensors from those of the parts held here: each part counts once, over all processes."""
    if not parts:
        return list(norms)
    first = norms[0]
    squares = torch.stack([norm.to(first.device, torch.promote_types(norm.dtype, torch.float32)).square() for norm in norms])
    counted = torch.tensor([part.counted for part in parts], device=first.device)
    total = parts[0].sum(torch.where(counted, squares, 0.0))
    return [one.to(norm.dtype) for one, norm in zip(total.sqrt().unbind(), norms, strict=True)]


def whole_unit_norms(tensors: Sequence[Tensor], parts: Sequence[Part]) -> list[Tensor]:
    """2-norms of the units of whole tensors, broadcastable to the parts: of what one place of the first dimension holds, or of a vector."""
    held = [_squares(tensor, part) for tensor, part in zip(tensors, parts, strict=True)]
    norms = torch.split(parts[0].sum(torch.cat(held)).sqrt(), [len(each) for each in held])
    return [_own_units(norm, tensor, part) for norm, tensor, part in zip(norms, tensors, parts, strict=True)]


def _squares(tensor: Tensor, part: Part) -> Tensor:
    """Sums of squares of the units of the whole, zero for those of which nothing is counted here."""
    squares = tensor.float().square()
    if len(part.shape) <= 1:
        return squares.sum().reshape(1) * part.counted
    found = squares.new_zeros(part.shape[0])
    if part.counted and len(tensor):
        found[part.offsets[0] : part.offsets[0] + len(tensor)] = squares.flatten(1).sum(1)
    return found


def _own_units(norm: Tensor, tensor: Tensor, part: Part) -> Tensor:
    if len(part.shape) <= 1:
        return norm.reshape(()).to(tensor.dtype)
    return norm.narrow(0, part.offsets[0] if len(tensor) else 0, len(tensor)).view(-1, *[1] * (tensor.dim() - 1)).to(tensor.dtype)
