"""Which piece of a row another one takes: a box, or a stretch of time, about a middle, cut off at the edges."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Span = tuple[Tensor, Tensor]
"""First and last + 1 place along a dimension, of each row (int64, b)."""


def box_in(sizes: Sequence[int], share: Float[Tensor, " b"], places: Float[Tensor, "4 b"], minmax: Sequence[float] | None) -> list[Span]:
    """The piece of each row along dimensions of `sizes`, from uniform numbers.

    Sides are ⌊size·(1 − share)^(1/dimensions)⌋ about a uniform middle, and cut off at the edges, as timm's `rand_bbox`; with `minmax` each
    side is drawn from its smaller to its larger share of the size and lies inside, as timm's `rand_bbox_minmax`.
    """
    share, places = share.double(), places.double()
    spans = []
    for at, size in enumerate(sizes):
        if minmax is None:
            side = (size * (1 - share) ** (1 / len(sizes))).floor().long()
            middle = _below(places[at], torch.full_like(side, size))
            begin, end = middle - side // 2, middle + (side + 1) // 2
            spans.append((begin.clamp(0, size), end.clamp(0, size)))
            continue
        low, high = int(size * minmax[0]), max(int(size * minmax[1]), int(size * minmax[0]) + 1)
        side = low + _below(places[at], torch.full_like(share, high - low).long())
        begin = _below(places[2 + at], size - side + 1)
        spans.append((begin, begin + side))
    return spans


def _below(numbers: Tensor, count: Tensor) -> Tensor:
    """Whole numbers from 0 to count - 1 (int64, b) of uniform ones in [0, 1)."""
    return torch.minimum((numbers * count).floor().long(), count - 1)


def inside_of(block: Tensor, dims: Sequence[int], spans: Sequence[Span]) -> tuple[Bool[Tensor, ...], Float[Tensor, " b"]]:
    """Where a block (b, …) lies in the piece of its row, in as many dimensions, and the share of each row that does not (float64, b)."""
    inside = torch.ones((), dtype=torch.bool, device=block.device)
    taken = torch.ones(len(block), dtype=torch.float64, device=block.device)
    for dim, (begin, end) in zip(dims, spans, strict=True):
        rows, along = [1] * block.dim(), [1] * block.dim()
        rows[0], along[dim] = -1, -1
        at = torch.arange(block.shape[dim], device=block.device).view(along)
        inside = inside & (at >= begin.view(rows)) & (at < end.view(rows))
        taken = taken * (end - begin) / block.shape[dim]
    return inside, 1 - taken
