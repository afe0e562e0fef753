"""Attention over grids of tokens `[b, *d, w]` of one, two or three axes: along one axis, or within windows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.nn.blocks.attention import Attention, FeedForward
from trainwright.nn.blocks.drop_path import make_drop_path
from trainwright.nn.blocks.given import checked_by
from trainwright.nn.blocks.grid_options import (
    AxialAttentionOptions,
    AxialBlockOptions,
    PatchMergingOptions,
    SwinBlockOptions,
    WindowAttentionOptions,
)
from trainwright.nn.blocks.tokens import check_tokens

Sides = tuple[int, ...]
_KEPT: dict[tuple[Sides, Sides, Sides, torch.device], Tensor] = {}


class AxialAttention(nn.Module):
    """Attention along one axis of a grid, 0 the first after the batch (Ho et al. 2019); options are those of `Attention`."""

    @checked_by(AxialAttentionOptions)
    def __init__(
        self,
        width: int,
        heads: int,
        kv_heads: int | None = None,
        head_width: int | None = None,
        bias: bool = True,
        causal: bool = False,
        positions: Any = None,
        dropout: float = 0.0,
        *,
        axis: int,
    ) -> None:
        super().__init__()
        self.axis = axis
        self.attention = Attention(width, heads, kv_heads, head_width, bias, causal, positions, dropout=dropout)

    def forward(self, x: Float[Tensor, "b *d w"], keep: Bool[Tensor, " b *d"] | None = None) -> Float[Tensor, "b *d w"]:
        """`keep` is true for cells that may be attended to."""
        if not 0 <= self.axis < x.dim() - 2:
            what = f"axis {self.axis} of tokens of shape {tuple(x.shape)}"
            raise ConfigError(what, why=f"they have {x.dim() - 2} axes between batch and channels", fix=f"use axis: 0 … {x.dim() - 3}")
        rows = x.movedim(self.axis + 1, -2)
        mask = None if keep is None else keep.movedim(self.axis + 1, -1).flatten(0, -2)
        return self.attention(rows.flatten(0, -3), mask).view(rows.shape).movedim(-2, self.axis + 1)


class AxialBlock(nn.Module):
    """Pre-norm attention along each of the axes in turn, then a feed-forward layer (Ho et al. 2019): a cell sees the whole grid."""

    @checked_by(AxialBlockOptions)
    def __init__(
        self,
        width: int,
        heads: int,
        kv_heads: int | None = None,
        head_width: int | None = None,
        bias: bool = True,
        causal: bool = False,
        positions: Any = None,
        dims: int = 2,
        expansion: float = 4.0,
        activation: str = "gelu",
        dropout: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        own: dict[str, Any] = {"kv_heads": kv_heads, "head_width": head_width, "bias": bias, "causal": causal, "positions": positions}
        self.width = width
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(dims))
        self.attentions = nn.ModuleList(AxialAttention(width, heads, axis=axis, dropout=dropout, **own) for axis in range(dims))
        self.norm_feed_forward = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width, round(width * expansion), activation=activation)
        self.drop_path = make_drop_path(drop_path)

    def forward(self, x: Float[Tensor, "b *d w"], keep: Bool[Tensor, " b *d"] | None = None) -> Float[Tensor, "b *d w"]:
        check_tokens(x, self.width, self)
        for norm, attention in zip(self.norms, self.attentions, strict=True):
            x = x + self.drop_path(attention(norm(x), keep))
        return x + self.drop_path(self.feed_forward(self.norm_feed_forward(x)))


class WindowAttention(nn.Module):
    """Attention within windows of a grid, with a learned score per head and distance (Liu et al. 2021, Swin).

    `window` is the side of a window, or one per axis, and says with `dims` how many axes there are; `shift` moves windows by half a side.
    Grids that are no multiple of it are padded at their ends; padding is never attended to, and neither is the other end of the grid.
    """

    near: Tensor

    @checked_by(WindowAttentionOptions)
    def __init__(self, width: int, heads: int, window: int | Sequence[int], dims: int = 2, shift: bool = False) -> None:
        super().__init__()
        self.width, self.heads, self.head_width, self.shift = width, heads, width // heads, shift
        self.window = (window,) * dims if isinstance(window, int) else tuple(window)
        self.into = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.register_buffer("near", relative_cells(self.window), persistent=False)
        self.scores = nn.Parameter(torch.empty(math.prod(2 * side - 1 for side in self.window), heads))
        nn.init.trunc_normal_(self.scores, std=0.02)

    def forward(self, x: Float[Tensor, "b *d w"]) -> Float[Tensor, "b *d w"]:
        check_tokens(x, self.width, self)
        sizes, window = x.shape[1:-1], self.window
        if len(sizes) != len(window):
            raise ConfigError(f"windows of {len(window)} axes, but tokens of shape {tuple(x.shape)}", fix=f"use dims: {len(sizes)}")
        shifts = [w // 2 if self.shift and n > w else 0 for n, w in zip(sizes, window, strict=True)]
        axes = tuple(range(1, len(window) + 1))
        missing = [-n % w for n, w in zip(sizes, window, strict=True)]
        y = F.pad(x, (0, 0, *(side for n in reversed(missing) for side in (0, n)))) if any(missing) else x
        padded = y.shape
        y = torch.roll(y, [-n for n in shifts], axes) if any(shifts) else y
        y = self._attend(split_windows(y, window), x.shape[0], self._mask(sizes, shifts, missing))
        y = join_windows(y, window, padded)
        y = torch.roll(y, shifts, axes) if any(shifts) else y
        return y[(slice(None), *(slice(n) for n in sizes))] if any(missing) else y

    def _attend(self, x: Float[Tensor, "n t w"], batch: int, mask: Float[Tensor, "1 m t t"]) -> Float[Tensor, "n t w"]:
        n, tokens, width = x.shape
        q, k, v = self.into(x).view(n, tokens, 3, self.heads, self.head_width).permute(2, 0, 3, 1, 4)
        if mask.shape[1] != self.heads:  # a mask per window: windows become heads, so that the rows of the batch share it
            q, k, v = (each.reshape(batch, -1, tokens, self.head_width) for each in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, mask.to(q.dtype))
        return self.out(y.reshape(n, self.heads, tokens, self.head_width).transpose(1, 2).reshape(n, tokens, width))

    def _mask(self, sizes: Sequence[int], shifts: Sequence[int], missing: Sequence[int]) -> Float[Tensor, "1 m t t"]:
        """What is added to the scores: of each head, or of each window and head where some cells of a window are far apart."""
        scores = self.scores[self.near].permute(2, 0, 1)
        if not any(shifts) and not any(missing):
            return scores.unsqueeze(0)
        return (scores + keep_apart(tuple(sizes), self.window, tuple(shifts), self.near.device)).flatten(0, 1).unsqueeze(0)

    def extra_repr(self) -> str:
        return f"window={list(self.window)}, shift={self.shift}"


class SwinBlock(nn.Module):
    """Pre-norm window attention and a feed-forward layer; blocks with and without `shift` take turns (Liu et al. 2021, eq. 3)."""

    @checked_by(SwinBlockOptions)
    def __init__(
        self,
        width: int,
        heads: int,
        window: int | Sequence[int],
        dims: int = 2,
        shift: bool = False,
        expansion: float = 4.0,
        activation: str = "gelu",
        dropout: float = 0.0,
        drop_path: float = 0.0,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.drop_path = make_drop_path(drop_path)
        self.norm_attention = nn.LayerNorm(width, eps=eps)
        self.attention = WindowAttention(width, heads, window, dims=dims, shift=shift)
        self.norm_feed_forward = nn.LayerNorm(width, eps=eps)
        self.feed_forward = FeedForward(width, round(width * expansion), activation=activation, dropout=dropout)

    def forward(self, x: Float[Tensor, "b *d w"]) -> Float[Tensor, "b *d w"]:
        check_tokens(x, self.attention.width, self)
        x = x + self.drop_path(self.attention(self.norm_attention(x)))
        return x + self.drop_path(self.feed_forward(self.norm_feed_forward(x)))


class PatchMerging(nn.Module):
    """Half as many cells along each axis, twice as wide: neighbours side by side, norm, linear layer (Liu et al. 2021, section 3.1)."""

    @checked_by(PatchMergingOptions)
    def __init__(self, width: int, dims: int = 2, out_width: int | None = None, eps: float = 1e-5) -> None:
        super().__init__()
        self.width, self.dims = width, dims
        self.norm = nn.LayerNorm(2**dims * width, eps=eps)
        self.reduction = nn.Linear(2**dims * width, out_width or 2 * width, bias=False)

    def forward(self, x: Float[Tensor, "b *d w"]) -> Float[Tensor, "b *e v"]:
        """Odd sides are padded with a cell of zeros."""
        check_tokens(x, self.width, self)
        sizes = x.shape[1:-1]
        if len(sizes) != self.dims:
            raise ConfigError(
                f"patches of {self.dims} axes cannot be merged in tokens of shape {tuple(x.shape)}", fix=f"use dims: {len(sizes)}"
            )
        if any(n % 2 for n in sizes):
            x = F.pad(x, (0, 0, *(side for n in reversed(sizes) for side in (0, n % 2))))
        corners = itertools.product((0, 1), repeat=self.dims)  # the first axis changes fastest
        parts = [x[(slice(None), *(slice(first, None, 2) for first in reversed(corner)))] for corner in corners]
        return self.reduction(self.norm(torch.cat(parts, dim=-1)))


def split_windows(x: Tensor, window: Sequence[int]) -> Tensor:
    """`[b, *d, w]` → `[b · windows, cells, w]`; sides are multiples of the window's."""
    dims = len(window)
    parts = [each for n, side in zip(x.shape[1:-1], window, strict=True) for each in (n // side, side)]
    order = (0, *range(1, 2 * dims, 2), *range(2, 2 * dims + 1, 2), 2 * dims + 1)
    return x.reshape(x.shape[0], *parts, x.shape[-1]).permute(order).flatten(dims + 1, 2 * dims).flatten(0, dims)


def join_windows(x: Tensor, window: Sequence[int], shape: Sequence[int]) -> Tensor:
    """The reverse of `split_windows`, for tokens of this shape."""
    dims = len(window)
    counts = [n // side for n, side in zip(shape[1:-1], window, strict=True)]
    order = (0, *(each for axis in range(dims) for each in (1 + axis, 1 + dims + axis)), 2 * dims + 1)
    return x.view(shape[0], *counts, *window, x.shape[-1]).permute(order).reshape(*shape[:-1], x.shape[-1])


def keep_apart(sizes: Sides, window: Sides, shifts: Sides, device: torch.device) -> Float[Tensor, "n 1 t t"]:
    """What `mark_apart` gives, kept from one forward to the next; a compiled forward makes it as one of its constants."""
    if torch.compiler.is_compiling():
        return mark_apart(sizes, window, shifts, device)
    key = (sizes, window, shifts, device)
    if key not in _KEPT:
        with torch.inference_mode(False), torch.no_grad():
            made = mark_apart(sizes, window, shifts, device)
        if type(made) is not Tensor:  # the stand-in of a tracer
            return made
        if len(_KEPT) >= 64:
            _KEPT.clear()
        _KEPT[key] = made
    return _KEPT[key]


def mark_apart(sizes: Sides, window: Sides, shifts: Sides, device: torch.device) -> Float[Tensor, "n 1 t t"]:
    """Per window, 0 for pairs of cells that may attend to each other and −∞ for others."""
    region = split_windows(cell_regions(sizes, window, shifts, device)[None, ..., None], window)[..., 0]
    return torch.zeros(1, device=device).where(region[:, None, :, None] == region[:, None, None, :], -torch.inf)


def cell_regions(sizes: Sequence[int], window: Sequence[int], shifts: Sequence[int], device: torch.device) -> Int[Tensor, " ..."]:
    """A number per cell of the padded, rolled grid: cells of one window attend to each other where it is the same.

    Rolling brings the first cells of an axis next to its last ones, into the same window: those have numbers of their own; so has padding.
    """
    region = torch.zeros((1,) * len(sizes), dtype=torch.long, device=device)
    for axis, (n, side, shift) in enumerate(zip(sizes, window, shifts, strict=True)):
        places = torch.arange(n + -n % side, device=device)
        along = (places >= n).long() * 2
        along = along.roll(-shift)
        along = along + (places >= len(places) - shift).long()
        region = region * 4 + along.view([-1 if i == axis else 1 for i in range(len(sizes))])
    return region


def relative_cells(window: Sequence[int]) -> Int[Tensor, "t t"]:
    """A number per pair of cells of a window (query, key) that says how far they are apart along every axis, as Swin counts."""
    cells = torch.cartesian_prod(*(torch.arange(side) for side in window)).view(-1, len(window))
    apart = torch.zeros(len(cells), len(cells), dtype=torch.long)
    for axis, side in enumerate(window):
        apart = apart * (2 * side - 1) + cells[:, None, axis] - cells[None, :, axis] + side - 1
    return apart
