"""Residual networks (He et al. 2016a). Layers are called as in torchvision and timm, so that weights made there fit by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from trainwright.domains.images.models.block_options import ImageResNetOptions
from trainwright.domains.images.models.fields import EXPANSION, RESNETS
from trainwright.nn.blocks.drop_path import drop_path_rates
from trainwright.nn.blocks.given import checked_by
from trainwright.nn.blocks.residual import BasicBlock, Bottleneck
from trainwright.nn.blocks.spatial import batch_norm, convolution

FIRST = 64
"""Channels of the first stage; each later one has twice those of the one before."""


class ImageResNet(nn.Module):
    """`[b, channels, h, w]` → `[b, width, h / 32, w / 32]`, with the stem for small pictures `h / 8`: a stem and stages of blocks."""

    @checked_by(ImageResNetOptions)
    def __init__(
        self,
        channels: int = 3,
        depth: int | Sequence[int] = 18,
        widths: Sequence[int] | None = None,
        bottleneck: bool | None = None,
        shortcut: str = "conv",
        squeeze: int = 0,
        zero_last: bool = True,
        drop_path: float = 0.0,
        stem: str = "imagenet",
    ) -> None:
        super().__init__()
        blocks = RESNETS[depth] if isinstance(depth, int) else tuple(depth)
        inner = tuple(widths or (FIRST * 2**number for number in range(len(blocks))))
        wide = depth in (50, 101) if bottleneck is None else bottleneck
        large = stem == "imagenet"
        self.conv1 = convolution(2, channels, inner[0], 7 if large else 3, stride=2 if large else 1, bias=False)
        self.bn1, self.act1 = batch_norm(2, inner[0]), nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1) if large else nn.Identity()
        nn.init.kaiming_normal_(self.conv1.weight, mode="fan_out", nonlinearity="relu")
        self.map_channels = tuple(each * (EXPANSION if wide else 1) for each in inner)
        self.map_strides = tuple((4 if large else 1) * 2**number for number in range(len(blocks)))
        options: dict[str, Any] = {"shortcut": shortcut, "squeeze": squeeze, "zero_last": zero_last}
        rates, before = iter(drop_path_rates(drop_path, sum(blocks))), inner[0]
        make: Any = Bottleneck if wide else BasicBlock
        for number, (count, out) in enumerate(zip(blocks, self.map_channels, strict=True)):
            stage = nn.Sequential()
            for each in range(count):
                stride = 2 if number and not each else 1
                stage.append(make(before, out, stride, drop_path=next(rates), **options))
                before = out
            self.add_module(f"layer{number + 1}", stage)
        self.stages, self.width = len(blocks), before

    def forward_maps(self, x: Float[Tensor, "b c h w"]) -> list[Tensor]:
        """What each stage gives, the largest map first."""
        x, maps = self.maxpool(self.act1(self.bn1(self.conv1(x)))), []
        for number in range(self.stages):
            x = self.get_submodule(f"layer{number + 1}")(x)
            maps.append(x)
        return maps

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b o y x"]:
        return self.forward_maps(x)[-1]
