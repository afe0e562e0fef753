"""Norms over the channels of maps."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.nn.blocks.convnext_options import ChannelNormOptions, GlobalResponseNormOptions
from trainwright.nn.blocks.given import checked_by


class ChannelNorm(nn.LayerNorm):
    """Layer norm of `[b, c, *space]` over c, with a scale and a shift per channel (Ba et al. 2016)."""

    @checked_by(ChannelNormOptions)
    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__(channels, eps=eps)

    def forward(self, x: Float[Tensor, "b c *space"]) -> Float[Tensor, "b c *space"]:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class GlobalResponseNorm(nn.Module):
    """`γ · x · n + β + x`, n the norm of a channel over space by the mean of these norms, channels last (Woo et al. 2023, eq. 1–4)."""

    @checked_by(GlobalResponseNormOptions)
    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Float[Tensor, "b *space c"]) -> Float[Tensor, "b *space c"]:
        size = torch.linalg.vector_norm(x, dim=tuple(range(1, x.dim() - 1)), keepdim=True)
        relative = size / (size.mean(dim=-1, keepdim=True) + self.eps)
        return x + torch.addcmul(self.bias, self.weight, x * relative)
