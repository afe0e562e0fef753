"""Rotary positions."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.nn.positions import RotaryOptions


class Rotation(NamedTuple):
    """The turns of positions, of which the last ones are those of the queries; halves of a head or neighbours are turned together."""

    cos: Float[Tensor, "l r"]
    sin: Float[Tensor, "l r"]
    interleaved: bool = False

    def turn(self, x: Float[Tensor, "b h n d"]) -> Float[Tensor, "b h n d"]:
        """`x` with the first 2r of its d numbers turned by the last n positions (Su et al. 2021, eq. 34)."""
        cos, sin = self.cos[-x.shape[2] :].to(x.dtype), self.sin[-x.shape[2] :].to(x.dtype)
        turned = 2 * cos.shape[-1]
        head, rest = (x, None) if turned == x.shape[-1] else (x[..., :turned], x[..., turned:])
        if self.interleaved:
            a, b = head[..., ::2], head[..., 1::2]
            found = torch.stack((a * cos - b * sin, b * cos + a * sin), dim=-1).flatten(-2)
        else:
            a, b = head.chunk(2, dim=-1)
            found = torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)
        return found if rest is None else torch.cat((found, rest), dim=-1)


class Rotary(nn.Module):
    """Turns of pairs of numbers by angles that grow with the position, by frequencies from 1 to 1/base."""

    frequency: Tensor
    places: Tensor | None

    def __init__(self, options: RotaryOptions, heads: int, head_width: int, causal: bool) -> None:
        super().__init__()
        axes, turned = max(len(options.shape), 1), round(head_width * options.share)
        if turned % (2 * axes) or turned < 2 * axes:
            what = f"rotary positions turn {turned} of the {head_width} numbers of a head, which are no pairs for {axes} axes"
            raise ConfigError(what.replace("1 axes", "1 axis"), fix=f"use a width, heads or share that give a multiple of {2 * axes}")
        self.options = options
        pairs = turned // 2 // axes
        self.register_buffer("frequency", options.base ** (-torch.arange(0, 2 * pairs, 2).float() / (2 * pairs)), persistent=False)
        grid = torch.cartesian_prod(*map(torch.arange, options.shape)).view(-1, axes).float() if options.shape else None
        before = None if grid is None else torch.cat([grid.new_zeros(options.prefix, axes), grid])
        self.register_buffer("places", before, persistent=False)

    def forward(self, queries: int, keys: int) -> Rotation:
        """The turns of `keys` positions, of which the queries are the last; the same for all rows and heads."""
        if self.places is None:
            angle = torch.arange(keys, device=self.frequency.device)[:, None] / self.options.stretch * self.frequency
            return Rotation(angle.cos(), angle.sin(), self.options.interleaved)
        if keys != len(self.places):
            cells = "×".join(map(str, self.options.shape)) + (f" and {self.options.prefix} before them" if self.options.prefix else "")
            raise ConfigError(f"{keys} tokens, but rotary positions of {cells}", fix="give the shape of the grid that the tokens are")
        angle = (self.places[:, :, None] / self.options.stretch * self.frequency).flatten(1)
        return Rotation(angle.cos(), angle.sin(), self.options.interleaved)

    def extra_repr(self) -> str:
        return f"base={self.options.base:g}, share={self.options.share:g}, interleaved={self.options.interleaved}"
