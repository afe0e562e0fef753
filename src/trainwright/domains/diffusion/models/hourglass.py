"""A transformer of several scales (Crowson et al. 2024, HDiT), whose finer levels attend nearby alone."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from trainwright.domains.diffusion.models.base import Backbone
from trainwright.domains.diffusion.models.choosing import attention_kinds, ensure_divisible, hourglass_patch
from trainwright.domains.diffusion.models.grids import grid_rotation, merge_cells, split_cells
from trainwright.domains.diffusion.models.neighbours import Neighbourhood, attend_near, find_neighbours
from trainwright.domains.diffusion.models.options import HourglassOptions
from trainwright.domains.diffusion.models.shape import BackboneShape
from trainwright.nn.blocks.attention import Attention, FeedForward
from trainwright.nn.blocks.unet_block import start_at_zero
from trainwright.nn.positions.rotary import Rotation

SHARPNESS = 10.0
"""What cosines between queries and keys are multiplied by at first, a number that each head learns."""


class Places(NamedTuple):
    """What all layers of a level share."""

    rotation: Rotation
    near: Neighbourhood | None


class Hourglass(Backbone):
    """Levels of layers down, each of half the sides of the one before, and back up: skips are mixed in by a learned share."""

    def __init__(self, options: HourglassOptions, shape: BackboneShape) -> None:
        super().__init__(shape, options.condition_width)
        self.patch, self.window, self.head_width = hourglass_patch(options, shape), options.window, options.head_width
        self.kinds = attention_kinds(options)
        dims, widths = len(shape.size), options.widths
        cells = self.patch**dims
        self.into = nn.Linear((shape.channels + shape.concat) * cells, widths[0], bias=False)
        levels = [Level(options, shape, number, self.kinds[number]) for number in range(len(widths) - 1)]
        self.down = nn.ModuleList(levels)
        self.middle = Level(options, shape, len(widths) - 1, self.kinds[-1])
        self.up = nn.ModuleList(Level(options, shape, number, self.kinds[number]) for number in range(len(widths) - 1))
        pairs = list(pairwise(widths))
        self.merges = nn.ModuleList(nn.Linear(fine * 2**dims, coarse, bias=False) for fine, coarse in pairs)
        self.splits = nn.ModuleList(nn.Linear(coarse, fine * 2**dims, bias=False) for fine, coarse in pairs)
        self.shares = nn.ParameterList(nn.Parameter(torch.full((1,), 0.5)) for _ in pairs)
        self.norm = nn.RMSNorm(widths[0])
        self.out = nn.Linear(widths[0], (shape.channels + shape.variance) * cells)
        start_at_zero(self.out)

    def denoise(self, x: Tensor, embedding: Tensor, cross: Tensor | None, keep: Tensor | None) -> Tensor:
        ensure_divisible("hourglass", x.shape[2:], self.patch * 2 ** len(self.down))
        h = self.into(merge_cells(x.movedim(1, -1), self.patch))
        skips = []
        for number, (level, merge) in enumerate(zip(self.down, self.merges, strict=True)):
            places = self._places(h, number)
            h = level(h, embedding, places, cross, keep)
            skips.append((h, places))
            h = merge(merge_cells(h, 2))
        h = self.middle(h, embedding, self._places(h, len(self.down)), cross, keep)
        for number in reversed(range(len(self.up))):
            skip, places = skips.pop()
            h = torch.lerp(skip, split_cells(self.splits[number](h), 2), self.shares[number].to(skip.dtype))
            h = self.up[number](h, embedding, places, cross, keep)
        return split_cells(self.out(self.norm(h)), self.patch).movedim(-1, 1)

    def _places(self, h: Tensor, level: int) -> Places:
        grid = h.shape[1:-1]
        near = find_neighbours(grid, self.window, h.device) if self.kinds[level] == "neighbourhood" else None
        return Places(grid_rotation(grid, self.head_width, h), near)


class Level(nn.Module):
    """Layers of one scale."""

    def __init__(self, options: HourglassOptions, shape: BackboneShape, number: int, kind: str) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(options, shape, options.widths[number], kind) for _ in range(options.depths[number]))

    def forward(self, h: Tensor, embedding: Tensor, places: Places, cross: Tensor | None, keep: Tensor | None) -> Tensor:
        for layer in self.layers:
            h = layer(h, embedding, places, cross, keep)
        return h


class Layer(nn.Module):
    """Attention over the grid, attention to tokens that are given, and a gated feed-forward layer, each added to its input."""

    def __init__(self, options: HourglassOptions, shape: BackboneShape, width: int, kind: str) -> None:
        super().__init__()
        axes: list[int | None] = [*range(len(shape.size))] if kind == "axial" else [None] if kind != "none" else []
        self.attentions = nn.ModuleList(GridAttention(width, options.head_width, options.condition_width, axis) for axis in axes)
        self.norm_cross = nn.RMSNorm(width) if shape.cross else None
        self.cross = Attention(width, width // options.head_width, context_width=shape.cross, bias=False) if shape.cross else None
        self.norm_feed_forward = AdaptiveNorm(width, options.condition_width)
        inner = round(width * options.expansion)
        self.feed_forward = FeedForward(width, inner, "geglu", bias=False, dropout=options.dropout)
        start_at_zero(self.feed_forward.out)
        if self.cross is not None:
            start_at_zero(self.cross.out)

    def forward(
        self,
        h: Float[Tensor, "b *grid w"],
        embedding: Float[Tensor, "b e"],
        places: Places,
        cross: Float[Tensor, "b k c"] | None,
        keep: Bool[Tensor, "b k"] | None,
    ) -> Float[Tensor, "b *grid w"]:
        for attention in self.attentions:
            h = h + attention(h, embedding, places)
        if self.cross is not None and self.norm_cross is not None:
            h = h + self.cross(self.norm_cross(h).flatten(1, -2), keep, cross).view(h.shape)
        return h + self.feed_forward(self.norm_feed_forward(h, embedding))


class AdaptiveNorm(nn.Module):
    """Root mean square norm, times 1 + a number per channel that is linear in the embedding and 0 at first."""

    def __init__(self, width: int, embedding: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width, elementwise_affine=False)
        self.scale = nn.Linear(embedding, width, bias=False)
        start_at_zero(self.scale)

    def forward(self, x: Float[Tensor, "b *grid w"], embedding: Float[Tensor, "b e"]) -> Float[Tensor, "b *grid w"]:
        scale = 1 + self.scale(embedding)
        return self.norm(x) * scale.view(scale.shape[0], *(1,) * (x.dim() - 2), -1)


class GridAttention(nn.Module):
    """Attention by cosines between queries and keys, turned by their places: to all cells, to neighbours, or along one axis.

    Cosines are multiplied by a number that each head learns (Crowson et al. 2024, section 3.2); starts at 0.
    """

    def __init__(self, width: int, head_width: int, embedding: int, axis: int | None) -> None:
        super().__init__()
        self.heads, self.axis = width // head_width, axis
        self.norm = AdaptiveNorm(width, embedding)
        self.into = nn.Linear(width, 3 * width, bias=False)
        self.sharpness = nn.Parameter(torch.full((self.heads,), SHARPNESS))
        self.out = nn.Linear(width, width, bias=False)
        start_at_zero(self.out)

    def forward(self, x: Float[Tensor, "b *grid w"], embedding: Float[Tensor, "b e"], places: Places) -> Float[Tensor, "b *grid w"]:
        grid = x.shape[1:-1]
        tokens = self.into(self.norm(x, embedding)).flatten(1, -2)
        q, k, v = tokens.view(*tokens.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        root = self.sharpness.clamp(min=0).sqrt().view(-1, 1, 1).to(q.dtype)
        q, k = (places.rotation.turn(F.normalize(each, dim=-1) * root) for each in (q, k))
        q, k, v = (each.reshape(*each.shape[:2], *grid, -1) for each in (q, k, v))
        if self.axis is not None:
            mixed = along_axis(q, k, v, self.axis)
        elif places.near is not None:
            mixed = attend_near(q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), places.near, 1.0).view(q.shape)
        else:
            mixed = F.scaled_dot_product_attention(q.flatten(2, -2), k.flatten(2, -2), v.flatten(2, -2), scale=1.0).view(q.shape)
        return self.out(mixed.movedim(1, -2).flatten(-2))


def along_axis(q: Tensor, k: Tensor, v: Tensor, axis: int) -> Tensor:
    """Attention of `[b, h, *grid, d]` along one axis of the grid."""
    q, k, v = (each.movedim(axis + 2, -2) for each in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, scale=1.0).movedim(-2, axis + 2)
