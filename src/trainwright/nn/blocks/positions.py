"""Positions that are added to tokens `[b, *d, w]`: learned, or sinusoids."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.nn.blocks.given import checked_by
from trainwright.nn.blocks.position_options import LearnedPositionsOptions, SinusoidalPositionsOptions
from trainwright.nn.blocks.tokens import check_tokens


def sinusoids(length: int, width: int) -> Float[Tensor, "l w"]:
    """Positions as sines and cosines of wavelengths from 2π to 10000·2π (Vaswani et al. 2017, section 3.5).

    Rounded in another order than `SinusoidalEmbedding`, up to 6e-5 apart: models that are trained keep the numbers they had.
    """
    half = (width + 1) // 2
    rate = torch.exp(-torch.arange(half) * (torch.log(torch.tensor(10000.0)) / half))
    angle = torch.arange(length)[:, None] * rate
    return torch.cat([angle.sin(), angle.cos()], dim=1)[:, :width]


def sinusoid_grid(shape: Sequence[int], width: int) -> Float[Tensor, " ..."]:
    """`[*shape, width]`: the axes share the width evenly, the first axis first (He et al. 2022, MAE, has two)."""
    share = width // len(shape)
    parts = []
    for axis, length in enumerate(shape):
        ones = [length if each == axis else 1 for each in range(len(shape))]
        parts.append(sinusoids(length, share).view(*ones, share).expand(*shape, share))
    return torch.cat(parts, dim=-1)


class SinusoidalPositions(nn.Module):
    """Adds sinusoids to tokens of any number of positions along each of `dims` axes; `start` is the first position of the first axis."""

    @checked_by(SinusoidalPositionsOptions)
    def __init__(self, width: int, dims: int = 1) -> None:
        super().__init__()
        self.width, self.dims = width, dims

    def forward(self, x: Float[Tensor, "b *d w"], start: int = 0) -> Float[Tensor, "b *d w"]:
        check_tokens(x, self.width, self, self.dims)
        first, *others = x.shape[1:-1]
        return x + sinusoid_grid([start + first, *others], self.width)[start:].to(x)

    def extra_repr(self) -> str:
        return f"width={self.width}, dims={self.dims}"


class LearnedPositions(nn.Module):
    """Adds a learned vector per position to tokens of at most `shape` positions, the first along the first axis being `start`.

    `at` says other positions than 0, 1, …, for rows that are padded on the left or packed; of one axis only.
    """

    @checked_by(LearnedPositionsOptions)
    def __init__(self, width: int, shape: int | Sequence[int], std: float = 0.02) -> None:
        super().__init__()
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        self.weight = nn.Parameter(torch.empty(*self.shape, width))
        nn.init.trunc_normal_(self.weight, std=std)

    def forward(self, x: Float[Tensor, "b *d w"], at: Int[Tensor, "b l"] | None = None, start: int = 0) -> Float[Tensor, "b *d w"]:
        check_tokens(x, self.weight.shape[-1], self, len(self.shape))
        if at is not None:
            return x + self.weight[at]
        first, *others = x.shape[1:-1]
        wanted = (start + first, *others)
        if any(n > most for n, most in zip(wanted, self.shape, strict=True)):
            what = f"{'×'.join(map(str, wanted))} positions, but {'×'.join(map(str, self.shape))} were learned"
            raise ConfigError(what, fix=f"make it with shape: {list(wanted) if others else wanted[0]}, or give shorter rows")
        return x + self.weight[(slice(start, start + first), *map(slice, others))]

    def extra_repr(self) -> str:
        return f"width={self.weight.shape[-1]}, shape={list(self.shape)}"
