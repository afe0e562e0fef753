"""ConvNeXt over time (Liu et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from trainwright.domains.signals.models.block_options import ConvNeXt1dOptions
from trainwright.nn.blocks.convnext import ConvNeXtBlock, draw_truncated
from trainwright.nn.blocks.drop_path import drop_path_rates
from trainwright.nn.blocks.given import checked_by
from trainwright.nn.blocks.norms import ChannelNorm


class ConvNeXt1d(nn.Sequential):
    """`[b, channels, t]` → `[b, width, t / (patch · 2^(stages − 1))]`: pieces, and stages of blocks with half the positions each."""

    @checked_by(ConvNeXt1dOptions)
    def __init__(
        self,
        channels: int,
        depths: Sequence[int] = (2, 2, 4, 2),
        widths: Sequence[int] = (32, 64, 128, 256),
        patch: int = 4,
        kernel: int = 7,
        layer_scale: float = 1e-6,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        rates, before = iter(drop_path_rates(drop_path, sum(depths))), channels
        for number, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            conv = nn.Conv1d(before, width, 2 if number else patch, 2 if number else patch)
            draw_truncated(conv.weight, conv.bias)
            first = [ChannelNorm(before), conv] if number else [conv, ChannelNorm(width)]
            blocks = [ConvNeXtBlock(width, 1, kernel, layer_scale=layer_scale, drop_path=next(rates)) for _ in range(depth)]
            self.add_module(f"stage{number + 1}", nn.Sequential(*first, *blocks))
            before = width
        self.norm = ChannelNorm(before)
        self.width = before
