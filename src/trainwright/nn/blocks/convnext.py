"""ConvNeXt's block (Liu et al. 2022), and that of version 2 (Woo et al. 2023)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.nn.blocks.convnext_options import ConvNeXtBlockOptions
from trainwright.nn.blocks.drop_path import make_drop_path
from trainwright.nn.blocks.given import checked_by
from trainwright.nn.blocks.norms import GlobalResponseNorm
from trainwright.nn.blocks.spatial import convolution
from trainwright.nn.networks.activations import activation as activation_named

STD = 0.02
"""Of the first weights (Liu et al. 2022, table 5)."""


class ConvNeXtBlock(nn.Module):
    """`x + γ · W₂ grn(act(W₁ norm(conv(x))))`, the convolution per channel, W over the channels at each position.

    Layers are called as in the paper's code: `dwconv`, `norm`, `pwconv1`, `grn`, `pwconv2`, `gamma`.
    """

    @checked_by(ConvNeXtBlockOptions)
    def __init__(
        self,
        channels: int,
        dims: int = 2,
        kernel: int = 7,
        expansion: int = 4,
        layer_scale: float = 1e-6,
        grn: bool = False,
        activation: str = "gelu",
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.dwconv = convolution(dims, channels, channels, kernel, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.pwconv1 = nn.Linear(channels, expansion * channels)
        self.act = activation_named(activation)
        self.grn = GlobalResponseNorm(expansion * channels) if grn else nn.Identity()
        self.pwconv2 = nn.Linear(expansion * channels, channels)
        self.gamma = nn.Parameter(torch.full((channels,), layer_scale)) if layer_scale else None
        self.drop_path = make_drop_path(drop_path)
        for each in (self.dwconv, self.pwconv1, self.pwconv2):
            draw_truncated(each.weight, each.bias)

    def forward(self, x: Float[Tensor, "b c *space"]) -> Float[Tensor, "b c *space"]:
        h = self.norm(self.dwconv(x).movedim(1, -1))
        h = self.pwconv2(self.grn(self.act(self.pwconv1(h))))
        if self.gamma is not None:
            h = self.gamma * h
        return x + self.drop_path(h.movedim(-1, 1))


def draw_truncated(weight: Tensor, bias: Tensor | None) -> None:
    """Weights of a layer as ConvNeXt and transformers start: a normal distribution cut at ±2, and a bias of 0."""
    nn.init.trunc_normal_(weight, std=STD)
    if bias is not None:
        nn.init.zeros_(bias)
