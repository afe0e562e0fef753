"""A U-Net of residual blocks (Ronneberger et al. 2015), as diffusion models have it (Ho et al. 2020; Dhariwal & Nichol 2021).

Layers are called as in diffusers' UNet2DModel, so that weights made there fit by name, with `time: sinusoidal`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from jaxtyping import Bool, Float, Real
from torch import Tensor, nn
from torch.nn import functional

from trainwright.nn.blocks.fourier import FourierFeatures, SinusoidalEmbedding
from trainwright.nn.blocks.given import checked_by
from trainwright.nn.blocks.map_attention import MapAttention
from trainwright.nn.blocks.spatial import convolution
from trainwright.nn.blocks.unet_block import UNetBlock, start_at_zero
from trainwright.nn.blocks.unet_options import UNetOptions

FOURIER_SCALE = 16.0
"""Standard deviation of the frequencies of a level of noise (Song et al. 2021, NCSN++)."""
MakeBlock = Callable[[int, int], UNetBlock]
MakeAttention = Callable[[list[int]], tuple[nn.ModuleList, nn.ModuleList]]
Context = tuple[Tensor | None, Tensor | None]
"""Tokens that are attended to, and which of them may be."""


class UNet(nn.Module):
    """`[b, c, *space]` → `[b, o, *space]`, any size; with a time `[b]` and a vector `[b, v]` where it is made for them. Starts at 0.

    torch's group norm raises ValueError for a single row of which a map of 1×1 has as many channels as `groups`.
    """

    @checked_by(UNetOptions)
    def __init__(
        self,
        channels: int,
        out_channels: int | None = None,
        dims: int = 2,
        width: int = 64,
        multipliers: Sequence[int] = (1, 2, 4),
        depth: int = 2,
        attention: Sequence[int] = (),
        middle_attention: bool = True,
        heads: int = 4,
        time: str = "none",
        condition: int = 0,
        conditioning: str = "scale_shift",
        groups: int = 32,
        dropout: float = 0.0,
        context_width: int = 0,
    ) -> None:
        super().__init__()
        embedding = 4 * width if time != "none" or condition else 0
        block = partial(UNetBlock, embedding=embedding, dims=dims, conditioning=conditioning, groups=groups, dropout=dropout)
        attend = partial(make_attentions, heads=heads, groups=groups, context_width=context_width)
        levels = [(width * each, attend if level in attention else no_attention) for level, each in enumerate(multipliers)]
        self.conv_in = convolution(dims, channels, width, 3)
        self.time_embedding = TimeEmbedding(width, embedding, time) if time != "none" else None
        self.condition_embedding = nn.Linear(condition, embedding) if condition else None
        self.down_blocks, skips, before = nn.ModuleList(), [width], width
        for number, (after, attending) in enumerate(levels):
            smaller = Downsample(after, dims) if number < len(levels) - 1 else None
            self.down_blocks.append(DownLevel(before, after, depth, block, attending, smaller))
            skips += [after] * (depth + (smaller is not None))
            before = after
        self.mid_block = Middle(before, block, attend if middle_attention else no_attention)
        self.up_blocks = nn.ModuleList()
        for number, (after, attending) in reversed([*enumerate(levels)]):
            taken = [skips.pop() for _ in range(depth + 1)]
            self.up_blocks.append(UpLevel(before, taken, after, block, attending, Upsample(after, dims) if number else None))
            before = after
        self.conv_norm_out = nn.GroupNorm(groups, before)
        self.conv_out = convolution(dims, before, out_channels or channels, 3)
        start_at_zero(self.conv_out)

    def forward(
        self,
        x: Float[Tensor, "b c *space"],
        time: Real[Tensor, " b"] | Float[Tensor, "b v"] | None = None,
        condition: Float[Tensor, "b v"] | None = None,
        context: Float[Tensor, "b k w"] | None = None,
        context_keep: Bool[Tensor, "b k"] | None = None,
    ) -> Float[Tensor, "b o *space"]:
        """`context_keep` is true for tokens of the `context` that may be attended to."""
        embedding, tokens = self._embed(time, condition), (context, context_keep)
        h = self.conv_in(x)
        skips = [h]
        for level in self.down_blocks:
            h = level(h, embedding, tokens, skips)
        h = self.mid_block(h, embedding, tokens)
        for level in self.up_blocks:
            h = level(h, embedding, tokens, skips)
        return self.conv_out(functional.silu(self.conv_norm_out(h)))

    def _embed(self, time: Tensor | None, condition: Tensor | None) -> Tensor | None:
        """Time and vector as one embedding per row; without a time the second input is the vector."""
        if self.time_embedding is None and condition is None:
            time, condition = None, time
        for given, made, option in ((time, self.time_embedding, "time"), (condition, self.condition_embedding, "condition")):
            if (given is None) != (made is None):
                said = f"made with {option}, and given none" if given is None else f"given a {option}, and made without"
                raise ValueError(f"the U-Net is {said}; see the options `time` and `condition`")
        parts = [made(given) for given, made in ((time, self.time_embedding), (condition, self.condition_embedding)) if made is not None]
        return sum(parts[1:], parts[0]) if parts else None


class TimeEmbedding(nn.Module):
    """A number per row as waves, then two linear layers with SiLU between them."""

    def __init__(self, width: int, embedding: int, kind: str) -> None:
        super().__init__()
        self.waves = SinusoidalEmbedding(width) if kind == "sinusoidal" else FourierFeatures(1, width, FOURIER_SCALE)
        self.steps = kind == "sinusoidal"
        self.linear_1 = nn.Linear(width, embedding)
        self.linear_2 = nn.Linear(embedding, embedding)

    def forward(self, time: Real[Tensor, " b"]) -> Float[Tensor, "b e"]:
        weight = self.linear_1.weight
        waves = self.waves(time) if self.steps else self.waves(time.to(torch.promote_types(weight.dtype, torch.float32)).unsqueeze(1))
        return self.linear_2(functional.silu(self.linear_1(waves.to(weight.dtype))))


def make_attentions(channels: Sequence[int], heads: int, groups: int, context_width: int) -> tuple[nn.ModuleList, nn.ModuleList]:
    """Self-attention for maps of these channels, and after each, where there are tokens, attention to them."""
    own = [MapAttention(each, heads, groups) for each in channels]
    return nn.ModuleList(own), nn.ModuleList([MapAttention(each, heads, groups, context_width) for each in channels if context_width])


def no_attention(channels: Sequence[int]) -> tuple[nn.ModuleList, nn.ModuleList]:
    """None at all."""
    return nn.ModuleList(), nn.ModuleList()


class Level(nn.Module):
    """Blocks of one size, with attention after each or without."""

    attentions: nn.ModuleList
    crosses: nn.ModuleList

    def _attend(self, number: int, h: Tensor, tokens: Context) -> Tensor:
        if self.attentions:
            h = self.attentions[number](h)
        return self.crosses[number](h, *tokens) if self.crosses else h


class DownLevel(Level):
    """Blocks of one size, each result kept for the way up, then half the size."""

    def __init__(self, before: int, after: int, depth: int, block: MakeBlock, attention: MakeAttention, smaller: nn.Module | None) -> None:
        super().__init__()
        self.resnets = nn.ModuleList([block(after if number else before, after) for number in range(depth)])
        self.attentions, self.crosses = attention([after] * depth)
        self.downsamplers = nn.ModuleList([smaller] if smaller else [])

    def forward(self, h: Tensor, embedding: Tensor | None, tokens: Context, skips: list[Tensor]) -> Tensor:
        for number, block in enumerate(self.resnets):
            h = self._attend(number, block(h, embedding), tokens)
            skips.append(h)
        for smaller in self.downsamplers:
            h = smaller(h)
            skips.append(h)
        return h


class Middle(Level):
    """Two blocks at the bottom, with attention between them."""

    def __init__(self, channels: int, block: MakeBlock, attention: MakeAttention) -> None:
        super().__init__()
        self.resnets = nn.ModuleList([block(channels, channels) for _ in range(2)])
        self.attentions, self.crosses = attention([channels])

    def forward(self, h: Tensor, embedding: Tensor | None, tokens: Context) -> Tensor:
        h = self._attend(0, self.resnets[0](h, embedding), tokens)
        return self.resnets[1](h, embedding)


class UpLevel(Level):
    """Blocks of one size, each given a result of the way down beside what is there, then the size of the level above."""

    def __init__(
        self, before: int, skips: list[int], after: int, block: MakeBlock, attention: MakeAttention, larger: nn.Module | None
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList([block((after if number else before) + skip, after) for number, skip in enumerate(skips)])
        self.attentions, self.crosses = attention([after] * len(skips))
        self.upsamplers = nn.ModuleList([larger] if larger else [])

    def forward(self, h: Tensor, embedding: Tensor | None, tokens: Context, skips: list[Tensor]) -> Tensor:
        for number, block in enumerate(self.resnets):
            h = self._attend(number, block(torch.cat([h, skips.pop()], dim=1), embedding), tokens)
        for larger in self.upsamplers:
            h = larger(h, skips[-1].shape[2:])
        return h


class Downsample(nn.Module):
    """A convolution with stride 2: n positions become ⌈n / 2⌉."""

    def __init__(self, channels: int, dims: int) -> None:
        super().__init__()
        self.conv = convolution(dims, channels, channels, 3, stride=2)

    def forward(self, x: Float[Tensor, "b c *space"]) -> Float[Tensor, "b c *half"]:
        return self.conv(x)


class Upsample(nn.Module):
    """Each position repeated up to the size that is asked for, then a convolution."""

    def __init__(self, channels: int, dims: int) -> None:
        super().__init__()
        self.conv = convolution(dims, channels, channels, 3)

    def forward(self, x: Float[Tensor, "b c *half"], size: Sequence[int]) -> Float[Tensor, "b c *space"]:
        return self.conv(functional.interpolate(x, list(size), mode="nearest"))
