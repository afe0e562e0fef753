"""Rotary positions."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.nn.positions import RotaryOptions


class Rotation(NamedTuple):
    """The turns of the positions of some tokens: halves of a head are turned together, or neighbours."""

    cos: Float[Tensor, "l r"]
    sin: Float[Tensor, "l r"]
    interleaved: bool = False

    def turn(self, x: Float[Tensor, "b h l d"]) -> Float[Tensor, "b h l d"]:
        """`x` with the first r of its d numbers turned (Su et al. 2021, eq. 34)."""
        cos, sin = self.cos.to(x.dtype), self.sin.to(x.dtype)
        turned = cos.shape[-1]
        head, rest = (x, None) if turned == x.shape[-1] else (x[..., :turned], x[..., turned:])
        if self.interleaved:
            across = torch.stack((-head[..., 1::2], head[..., ::2]), dim=-1).flatten(-2)
        else:
            a, b = head.chunk(2, dim=-1)
            across = torch.cat((-b, a), dim=-1)
        found = head * cos + across * sin
        return found if rest is None else torch.cat((found, rest), dim=-1)


class Rotary(nn.Module):
    """Turns of pairs of numbers by angles that grow with the position, by frequencies from 1 to 1/base; always counted in float32."""

    places: Tensor

    def __init__(self, options: RotaryOptions, heads: int, head_width: int, causal: bool) -> None:
        super().__init__()
        self.options, axes, turned = options, max(len(options.shape), 1), round(head_width * options.share)
        if turned % (2 * axes) or turned < 2 * axes:
            what = f"rotary positions turn {turned} of the {head_width} numbers of a head, which are no pairs for {axes} axes"
            raise ConfigError(what.replace("1 axes", "1 axis"), fix=f"use a width, heads or share that give a multiple of {2 * axes}")
        self.pairs = turned // 2 // axes
        grid = torch.cartesian_prod(*map(torch.arange, options.shape)).view(-1, axes) if options.shape else torch.zeros(0, 1).long()
        self.register_buffer("places", torch.cat([grid.new_zeros(options.prefix, axes), grid]), persistent=False)
        self._kept: dict[tuple[int, int, torch.device], Rotation] = {}

    def forward(self, queries: int, keys: int) -> Rotation:
        """The turns of the last `queries` of `keys` positions; the same for all rows and heads, and kept for the next forward."""
        if torch.compiler.is_compiling():
            return self._count(queries, keys)
        key = (queries, keys, self.places.device)
        if key not in self._kept:
            with torch.inference_mode(False), torch.no_grad():
                made = self._count(queries, keys)
            self._kept = {key: made} if type(made.cos) is Tensor else {}  # not the stand-in of a tracer
            return made
        return self._kept[key]

    def _count(self, queries: int, keys: int) -> Rotation:
        exponent = torch.arange(0, 2 * self.pairs, 2, device=self.places.device, dtype=torch.float32) / (2 * self.pairs)
        places = torch.arange(keys - queries, keys, device=self.places.device)[:, None]
        if self.options.shape:
            if keys != len(self.places):
                cells = "×".join(map(str, self.options.shape)) + (f" and {self.options.prefix} before them" if self.options.prefix else "")
                raise ConfigError(f"{keys} tokens, but rotary positions of {cells}", fix="give the shape of the grid that the tokens are")
            places = self.places[keys - queries :]
        angle = (places[:, :, None] / self.options.stretch * self.options.base**-exponent).flatten(1).float()
        angle = angle.repeat_interleave(2, dim=1) if self.options.interleaved else angle.repeat(1, 2)
        return Rotation(angle.cos(), angle.sin(), self.options.interleaved)

    def extra_repr(self) -> str:
        return f"base={self.options.base:g}, share={self.options.share:g}, interleaved={self.options.interleaved}"
