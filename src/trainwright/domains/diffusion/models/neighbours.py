"""Attention of each cell of a grid to the cells around it (Hassani et al. 2023, NATTEN), with nothing but torch's attention.

Queries are taken in tiles; the keys of a tile are those of all its queries, and a mask leaves each query its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from trainwright.nn.blocks.windows import join_windows, split_windows

TILES = {1: 64, 2: 8, 3: 4}
"""Cells of a tile along each axis, by the number of axes."""


class Neighbourhood(NamedTuple):
    """Which cells see which, of a grid and a window."""

    tile: tuple[int, ...]
    """Queries of a tile along each axis."""
    span: tuple[int, ...]
    """Keys of a tile along each axis."""
    keys: tuple[Int[Tensor, " k"], ...]
    """Places of the keys of all tiles along each axis, tile after tile."""
    mask: Bool[Tensor, "tiles queries keys"]
    """Which keys of its tile a query sees."""


def find_neighbours(grid: Sequence[int], window: int, device: torch.device) -> Neighbourhood:
    """Each cell sees `window` cells along each axis: half of them before it, and at the ends of an axis the first, or last, of it.

    An axis shorter than the window is seen whole.
    """
    found = [_along(n, min(window, n), TILES[len(grid)], device) for n in grid]
    mask = found[0][3]
    for _, _, _, other in found[1:]:  # (tiles, queries, keys) of the axes so far, by those of the next
        joined = mask[:, None, :, None, :, None] & other[None, :, None, :, None, :]
        mask = joined.flatten(4, 5).flatten(2, 3).flatten(0, 1)
    return Neighbourhood(tuple(each[0] for each in found), tuple(each[1] for each in found), tuple(each[2] for each in found), mask)


def _along(n: int, window: int, tile: int, device: torch.device) -> tuple[int, int, Tensor, Tensor]:
    """Queries and keys of a tile, places of all keys, and the mask, of one axis of n cells."""
    tile = min(tile, n)
    tiles, span = math.ceil(n / tile), min(tile + window - 1, n)
    first_query = torch.arange(tiles, device=device) * tile
    keys = (first_query - window // 2).clamp(0, n - span)[:, None] + torch.arange(span, device=device)
    queries = first_query[:, None] + torch.arange(tile, device=device)
    first = (queries - window // 2).clamp(0, n - window)[:, :, None]
    return tile, span, keys.flatten(), (keys[:, None] >= first) & (keys[:, None] < first + window)


def attend_near(
    q: Float[Tensor, "b *grid d"], k: Float[Tensor, "b *grid d"], v: Float[Tensor, "b *grid d"], near: Neighbourhood, scale: float
) -> Float[Tensor, "b *grid d"]:
    """`softmax(scale · q kᵀ) v` of each cell over its neighbours; heads are rows here."""
    grid = q.shape[1:-1]
    missing = [-n % side for n, side in zip(grid, near.tile, strict=True)]
    padded = F.pad(q, (0, 0, *(side for n in reversed(missing) for side in (0, n)))) if any(missing) else q
    tiles = _tiles(padded, near.tile)
    for axis, places in enumerate(near.keys, start=1):
        k, v = k.index_select(axis, places), v.index_select(axis, places)
    k, v = _tiles(k, near.span), _tiles(v, near.span)
    mixed = F.scaled_dot_product_attention(tiles, k, v, near.mask, scale=scale)
    joined = join_windows(mixed.flatten(0, 1), near.tile, padded.shape)
    return joined[(slice(None), *(slice(n) for n in grid))] if any(missing) else joined


def _tiles(x: Float[Tensor, "b *grid d"], sides: tuple[int, ...]) -> Float[Tensor, "b tiles cells d"]:
    """Cells by tile."""
    windows = split_windows(x, sides)
    return windows.view(x.shape[0], -1, *windows.shape[1:])
