"""Positions that are added to the scores of queries and keys: `[heads, queries, keys]`, the queries being the last of the keys."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from trainwright.nn.positions import ALiBiOptions, RelativeOptions


class ALiBi(nn.Module):
    """Minus the distance times a slope per head (Press et al. 2022, section 3)."""

    slopes: Tensor

    def __init__(self, options: ALiBiOptions, heads: int, head_width: int, causal: bool) -> None:
        super().__init__()
        self.register_buffer("slopes", torch.tensor(alibi_slopes(heads)), persistent=False)

    def forward(self, queries: int, keys: int) -> Float[Tensor, "h q k"]:
        return -self.slopes[:, None, None] * distance(queries, keys, self.slopes.device).abs()


class RelativeScores(nn.Module):
    """A learned score per head and bucket of distance (Raffel et al. 2020, section 2.1); of causal attention only backwards."""

    def __init__(self, options: RelativeOptions, heads: int, head_width: int, causal: bool) -> None:
        super().__init__()
        self.buckets, self.farthest, self.causal = options.buckets, options.farthest, causal
        self.weight = nn.Parameter(torch.randn(options.buckets, heads) * 0.02)

    def forward(self, queries: int, keys: int) -> Float[Tensor, "h q k"]:
        bucket = relative_buckets(distance(queries, keys, self.weight.device), self.buckets, self.farthest, causal=self.causal)
        return self.weight[bucket].permute(2, 0, 1)

    def extra_repr(self) -> str:
        return f"buckets={self.buckets}, farthest={self.farthest}, causal={self.causal}"


def distance(queries: int, keys: int, device: torch.device) -> Int[Tensor, "q k"]:
    """The position of a key minus that of a query."""
    places = torch.arange(keys, device=device)
    return places - places[keys - queries :, None]


def relative_buckets(apart: Int[Tensor, " ..."], buckets: int, farthest: int, *, causal: bool) -> Int[Tensor, " ..."]:
    """The bucket of each distance (key minus query), as T5 counts them."""
    if causal:
        first, apart = torch.zeros_like(apart), (-apart).clamp_min(0)
    else:
        buckets //= 2
        first, apart = (apart > 0).long() * buckets, apart.abs()
    single = buckets // 2
    far = torch.log(apart.clamp_min(1).float() / single) / math.log(farthest / single) * (buckets - single)
    return first + torch.where(apart < single, apart, (single + far.long()).clamp_max(buckets - 1))


def alibi_slopes(heads: int) -> list[float]:
    """2^(−8/n), 2^(−16/n), … for n heads; for n no power of two, those of the next lower one and every second of the next higher one."""
    lower = 2 ** math.floor(math.log2(heads))
    slopes = [2 ** (-8 * (i + 1) / lower) for i in range(lower)]
    return slopes + [2 ** (-8 * (i + 1) / (2 * lower)) for i in range(0, 2 * (heads - lower), 2)]
