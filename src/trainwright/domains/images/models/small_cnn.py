"""A small convolutional network (Simonyan & Zisserman 2015, with batch norm)."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from trainwright.domains.images.models.block_options import SmallCNNOptions
from trainwright.nn.blocks.given import checked_by
from trainwright.nn.blocks.residual import draw_convolutions
from trainwright.nn.blocks.spatial import batch_norm, convolution
from trainwright.nn.networks.activations import activation as activation_named


class SmallCNN(nn.Module):
    """`[b, channels, h, w]` → `[b, width, …]`: stages of convolution, batch norm and activation, the maximum of 2×2 between them."""

    @checked_by(SmallCNNOptions)
    def __init__(
        self,
        channels: int = 3,
        widths: Sequence[int] = (32, 64, 128),
        convolutions: int = 2,
        kernel: int = 3,
        stem: int = 0,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        self.map_channels = tuple(widths)
        self.map_strides = tuple((2 if stem else 1) * 2**number for number in range(len(widths)))
        self.stem = conv_norm(channels, stem, kernel, activation, stride=2) if stem else nn.Identity()
        self.stages, before = nn.ModuleList(), stem or channels
        for number, width in enumerate(widths):
            layers: list[nn.Module] = [nn.MaxPool2d(2, ceil_mode=True)] if number else []
            layers += [conv_norm(width if each else before, width, kernel, activation) for each in range(convolutions)]
            self.stages.append(nn.Sequential(*layers))
            before = width
        self.width = before
        draw_convolutions(self)

    def forward_maps(self, x: Float[Tensor, "b c h w"]) -> list[Tensor]:
        """What each stage gives, the largest map first."""
        x, maps = self.stem(x), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b o y x"]:
        return self.forward_maps(x)[-1]


def conv_norm(channels: int, out: int, kernel: int, activation: str, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, activation."""
    conv = convolution(2, channels, out, kernel, stride=stride, bias=False)
    return nn.Sequential(conv, batch_norm(2, out), activation_named(activation))
