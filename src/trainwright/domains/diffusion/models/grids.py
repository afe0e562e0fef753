"""Samples as grids of tokens `[b, *grid, w]`, and positions in them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from trainwright.nn.positions.rotary import Rotation

PERIODS = 10000.0
"""How many times slower the slowest of the waves of `grid_waves` is than the fastest, one radian a cell."""
SLOWEST = 100.0
"""How many times slower the slowest of the rotary frequencies is than the fastest, one radian a cell."""


def merge_cells(x: Float[Tensor, "b *fine c"], side: int) -> Float[Tensor, "b *grid w"]:
    """Pieces of `side` cells along each axis as one token, as wide as all of them; sides are multiples of it."""
    if side == 1:
        return x
    dims = x.dim() - 2
    x = x.reshape(x.shape[0], *(each for n in x.shape[1:-1] for each in (n // side, side)), x.shape[-1])
    order = (0, *range(1, 2 * dims, 2), *range(2, 2 * dims + 1, 2), 2 * dims + 1)
    return x.permute(order).flatten(dims + 1)


def split_cells(x: Float[Tensor, "b *grid w"], side: int) -> Float[Tensor, "b *fine c"]:
    """The reverse of `merge_cells`."""
    if side == 1:
        return x
    dims, grid = x.dim() - 2, x.shape[1:-1]
    x = x.reshape(*x.shape[:-1], *[side] * dims, -1)
    order = (0, *(each for axis in range(dims) for each in (1 + axis, 1 + dims + axis)), 2 * dims + 1)
    return x.permute(order).reshape(x.shape[0], *(n * side for n in grid), x.shape[-1])


def grid_waves(grid: Sequence[int], width: int, like: Tensor) -> Float[Tensor, "*grid w"]:
    """Sines and cosines of the place along each axis, side by side (Vaswani et al. 2017, as Peebles & Xie 2023 have it), then zeros."""
    half = width // (2 * len(grid))
    rates = PERIODS ** -(torch.arange(half, device=like.device, dtype=torch.float32) / max(half, 1))
    waves = [torch.cat([(place * rates).sin(), (place * rates).cos()], dim=-1) for place in _places(grid, like)]
    found = torch.cat(waves, dim=-1).to(like.dtype)
    return torch.nn.functional.pad(found, (0, width - found.shape[-1]))


def grid_rotation(grid: Sequence[int], head_width: int, like: Tensor) -> Rotation:
    """Turns of half the numbers of a head by the places along each axis in turn (Su et al. 2021; axial as in Crowson et al. 2024)."""
    pairs = max(head_width // 4 // len(grid), 1)
    rates = SLOWEST ** -(torch.arange(pairs, device=like.device, dtype=torch.float32) / pairs)
    angle = torch.cat([place * rates for place in _places(grid, like)], dim=-1).flatten(0, -2).repeat(1, 2)
    return Rotation(angle.cos(), angle.sin())


def _places(grid: Sequence[int], like: Tensor) -> tuple[Float[Tensor, "*grid 1"], ...]:
    """The place of each cell along each axis."""
    along = torch.meshgrid([torch.arange(n, device=like.device, dtype=torch.float32) for n in grid], indexing="ij")
    return tuple(place.unsqueeze(-1) for place in along)
