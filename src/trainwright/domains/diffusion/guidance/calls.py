"""One call of a denoiser for several sets of conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

Conditions = Mapping[str, Any]


def denoise_each(denoiser: Any, x: Tensor, sigma: Tensor, sets: Sequence[Conditions]) -> list[Tensor]:
    """D(x; σ) under each set of conditions, in one call where all have the same ones, with as many rows for each."""
    if len(sets) == 1 or not can_be_joined(sets, len(x)):
        return [denoiser(x, sigma, **each) for each in sets]
    joined = {name: joined_values([each[name] for each in sets], len(x)) for name in sets[0]}
    repeated = torch.cat([x] * len(sets)), torch.cat([sigma] * len(sets))
    return list(denoiser(*repeated, **joined).chunk(len(sets)))


def can_be_joined(sets: Sequence[Conditions], rows: int) -> bool:
    """Whether the sets have equal names, and values that are one for each row, or the same for all."""
    if any(each.keys() != sets[0].keys() for each in sets):
        return False
    return all(can_be_one(values, rows) for values in zip(*(each.values() for each in order_conditions(sets)), strict=True))


def can_be_one(values: Sequence[Any], rows: int) -> bool:
    """Whether values of one condition are rows of one kind of tensor, or one and the same thing."""
    if all(each is values[0] for each in values):
        return True
    if not all(isinstance(each, Tensor) and each.ndim and len(each) == rows for each in values):
        return False
    return len({(each.shape, each.dtype, each.device) for each in values}) == 1


def joined_values(values: Sequence[Any], rows: int) -> Any:
    """The values of one condition for all sets."""
    first = values[0]
    return torch.cat(list(values)) if isinstance(first, Tensor) and first.ndim and len(first) == rows else first


def order_conditions(sets: Sequence[Conditions]) -> list[dict[str, Any]]:
    """The sets with their names in one order."""
    return [{name: each[name] for name in sets[0]} for each in sets]
