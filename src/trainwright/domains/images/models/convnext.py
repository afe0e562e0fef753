"""ConvNeXt (Liu et al. 2022; version 2: Woo et al. 2023). What lies around blocks is called as in timm."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from trainwright.domains.images.models.block_options import ImageConvNeXtOptions
from trainwright.domains.images.models.fields import CONVNEXTS
from trainwright.nn.blocks.convnext import ConvNeXtBlock, draw_truncated
from trainwright.nn.blocks.drop_path import drop_path_rates
from trainwright.nn.blocks.given import checked_by
from trainwright.nn.blocks.norms import ChannelNorm
from trainwright.nn.blocks.spatial import CONVOLUTIONS


class ImageConvNeXt(nn.Module):
    """`[b, channels, h, w]` → `[b, width, h / 32, w / 32]` with pieces of 4: pieces, and stages of blocks with half the size each."""

    @checked_by(ImageConvNeXtOptions)
    def __init__(
        self,
        channels: int = 3,
        variant: str = "atto",
        depths: Sequence[int] | None = None,
        widths: Sequence[int] | None = None,
        patch: int = 4,
        kernel: int = 7,
        layer_scale: float = 1e-6,
        grn: bool = False,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        published = CONVNEXTS[variant]
        depths, widths = tuple(depths or published[0]), tuple(widths or published[1])
        self.map_channels = widths
        self.map_strides = tuple(patch * 2**number for number in range(len(widths)))
        self.stem = nn.Sequential(strided(channels, widths[0], patch), ChannelNorm(widths[0]))
        rates, self.stages, before = iter(drop_path_rates(drop_path, sum(depths))), nn.ModuleList(), widths[0]
        for number, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            blocks = [ConvNeXtBlock(width, 2, kernel, layer_scale=layer_scale, grn=grn, drop_path=next(rates)) for _ in range(depth)]
            self.stages.append(ConvNeXtStage(before, width, blocks, halves=number > 0))
            before = width
        self.width = before

    def forward_maps(self, x: Float[Tensor, "b c h w"]) -> list[Tensor]:
        """What each stage gives, the largest map first."""
        x, maps = self.stem(x), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b o y x"]:
        return self.forward_maps(x)[-1]


class ConvNeXtStage(nn.Module):
    """A norm and a convolution of 2×2 with stride 2, apart from the first stage, then blocks."""

    def __init__(self, channels: int, width: int, blocks: Sequence[nn.Module], halves: bool) -> None:
        super().__init__()
        self.downsample = nn.Sequential(ChannelNorm(channels), strided(channels, width, 2)) if halves else nn.Identity()
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b o y x"]:
        return self.blocks(self.downsample(x))


def strided(channels: int, out: int, side: int) -> nn.Module:
    """A convolution of pieces of `side` that do not overlap, drawn as in the paper's code."""
    made = CONVOLUTIONS[2](channels, out, side, side)
    draw_truncated(made.weight, made.bias)
    return made
