"""Residual networks over time: of He et al. 2016a, of Wang et al. 2017, and xresnet1d of the PTB-XL benchmark (Strodthoff et al. 2021)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn

from trainwright.domains.signals.models.block_options import ResNet1dOptions, XResNet1dOptions
from trainwright.nn.blocks.drop_path import drop_path_rates
from trainwright.nn.blocks.embedding_options import one_for_each
from trainwright.nn.blocks.given import checked_by
from trainwright.nn.blocks.residual import BasicBlock, Bottleneck, draw_convolutions
from trainwright.nn.blocks.spatial import convolution

BLOCKS: dict[int, tuple[int, ...]] = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
"""Layers → blocks of each stage (He et al. 2016a, table 1)."""
EXPANSION = 4


class XResNet1d(nn.Sequential):
    """`[b, channels, t]` → `[b, width, t / 32]`; `width` channels are given, of 50 and 101 layers 4 · width.

    A stem of three convolutions, a maximum, then four stages of equal width, whose shortcuts are means; blocks start as these.
    """

    @checked_by(XResNet1dOptions)
    def __init__(
        self,
        channels: int,
        depth: int = 50,
        width: int = 64,
        kernel: int = 5,
        stem: Sequence[int] = (32, 32),
        squeeze: int = 0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        before = channels
        for number, out in enumerate([*stem, width]):
            self.add_module(f"stem{number + 1}", stem_layer(before, out, kernel, stride=1 if number else 2))
            before = out
        self.pool = nn.MaxPool1d(3, 2, 1)
        wide, block = depth >= 50, {"dims": 1, "kernel": kernel, "shortcut": "pool", "squeeze": squeeze, "zero_last": True}
        widths = [width * EXPANSION if wide else width] * 4
        for number, stage in enumerate(make_stages(before, BLOCKS[depth], widths, (1, 2, 2, 2), drop_path, wide, [block] * 4)):
            self.add_module(f"stage{number + 1}", stage)
        self.width = widths[-1]
        draw_convolutions(self)


class ResNet1d(nn.Sequential):
    """`[b, channels, t]` → `[b, width, t / 32]` as it comes; a convolution, a maximum, and a stage for each number of blocks."""

    @checked_by(ResNet1dOptions)
    def __init__(
        self,
        channels: int,
        depth: int | Sequence[int] = 18,
        widths: int | Sequence[int] = 64,
        kernel: int | Sequence[int] = 5,
        second_kernel: int | None = None,
        strides: Sequence[int] = (1, 2, 2, 2),
        stem: int = 64,
        stem_kernel: int = 5,
        stem_stride: int = 2,
        stem_pool: bool = True,
        bottleneck: bool | None = None,
        squeeze: int = 0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        blocks = BLOCKS[depth] if isinstance(depth, int) else tuple(depth)
        wide = depth == 50 if bottleneck is None else bottleneck
        self.stem = stem_layer(channels, stem, stem_kernel, stem_stride)
        if stem_pool:
            self.pool = nn.MaxPool1d(3, 2, 1)
        outs = [each * (EXPANSION if wide else 1) for each in one_for_each(widths, len(blocks))]
        second = {} if wide else {"second_kernel": second_kernel}
        options = [{"dims": 1, "kernel": each, "squeeze": squeeze, **second} for each in one_for_each(kernel, len(blocks))]
        for number, stage in enumerate(make_stages(stem, blocks, outs, strides, drop_path, wide, options)):
            self.add_module(f"stage{number + 1}", stage)
        self.width = outs[-1]
        draw_convolutions(self)


def stem_layer(channels: int, out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    return nn.Sequential(convolution(1, channels, out, kernel, stride=stride, bias=False), nn.BatchNorm1d(out), nn.ReLU())


def make_stages(
    before: int,
    blocks: Sequence[int],
    widths: Sequence[int],
    strides: Sequence[int],
    drop_path: float,
    wide: bool,
    options: Sequence[dict[str, Any]],
) -> Iterator[nn.Sequential]:
    """Stages of residual blocks, each with its own options; of bottlenecks where they are `wide`."""
    rates = iter(drop_path_rates(drop_path, sum(blocks)))
    for count, out, stride, more in zip(blocks, widths, strides, options, strict=True):
        layers = []
        for number in range(count):
            make: Any = Bottleneck if wide else BasicBlock
            layers.append(make(before, out, 1 if number else stride, drop_path=next(rates), **more))
            before = out
        yield nn.Sequential(*layers)
