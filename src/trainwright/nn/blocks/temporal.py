"""Temporal convolutions: what comes later never matters (Bai et al. 2018)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from trainwright.nn.blocks.given import checked_by
from trainwright.nn.blocks.temporal_options import CausalConvolutionOptions, TCNBlockOptions
from trainwright.nn.networks.activations import activation as activation_named


class CausalConvolution(nn.Conv1d):
    """`[b, c, t]` → `[b, o, t]`: output t is made of inputs t, t − dilation, …, before the first of which there are zeros."""

    @checked_by(CausalConvolutionOptions)
    def __init__(
        self, channels: int, out_channels: int | None = None, kernel: int = 3, dilation: int = 1, weight_norm: bool = False
    ) -> None:
        super().__init__(channels, out_channels or channels, kernel, dilation=dilation)
        self.past = dilation * (kernel - 1)
        length = torch.linalg.vector_norm(self.weight.detach(), dim=(1, 2), keepdim=True)
        self.scale = nn.Parameter(length) if weight_norm else None

    def forward(self, x: Float[Tensor, "b c t"]) -> Float[Tensor, "b o t"]:
        weight = self.weight if self.scale is None else torch._weight_norm(self.weight, self.scale)
        return functional.conv1d(functional.pad(x, (self.past, 0)), weight, self.bias, dilation=self.dilation)


class TCNBlock(nn.Module):
    """`act(x + f(f(x)))`, f a causal convolution, `act` and dropout; x by a convolution of one sample where channels change.

    A stack with dilations d sees 1 + 2 · (kernel − 1) · Σd samples. Dropout leaves out whole channels, as the paper says.
    """

    @checked_by(TCNBlockOptions)
    def __init__(
        self,
        channels: int,
        out_channels: int | None = None,
        kernel: int = 3,
        dilation: int = 1,
        activation: str = "relu",
        dropout: float = 0.0,
        weight_norm: bool = True,
    ) -> None:
        super().__init__()
        out = out_channels or channels
        self.conv1 = CausalConvolution(channels, out, kernel, dilation, weight_norm)
        self.conv2 = CausalConvolution(out, out, kernel, dilation, weight_norm)
        self.act = activation_named(activation)
        self.dropout = nn.Dropout1d(dropout) if dropout else nn.Identity()
        self.downsample = nn.Identity() if channels == out else nn.Conv1d(channels, out, 1)

    def forward(self, x: Float[Tensor, "b c t"]) -> Float[Tensor, "b o t"]:
        h = self.dropout(self.act(self.conv1(x)))
        h = self.dropout(self.act(self.conv2(h)))
        return self.act(self.downsample(x) + h)
