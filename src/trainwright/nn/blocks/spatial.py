"""Layers by the number of dimensions of a map: signals `[b, c, t]`, images `[b, c, h, w]`, volumes `[b, c, d, h, w]`."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

CONVOLUTIONS: dict[int, type[nn.Conv1d] | type[nn.Conv2d] | type[nn.Conv3d]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
BATCH_NORMS: dict[int, type[nn.BatchNorm1d] | type[nn.BatchNorm2d] | type[nn.BatchNorm3d]] = {
    1: nn.BatchNorm1d,
    2: nn.BatchNorm2d,
    3: nn.BatchNorm3d,
}
MEANS: dict[int, type[nn.AvgPool1d] | type[nn.AvgPool2d] | type[nn.AvgPool3d]] = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}


def convolution(dims: int, channels: int, out_channels: int, kernel: int, **options: Any) -> nn.Conv1d | nn.Conv2d | nn.Conv3d:
    """A convolution over `dims` dimensions that keeps the size at stride 1 and with an odd kernel, unless `padding` says otherwise."""
    options.setdefault("padding", options.get("dilation", 1) * (kernel // 2))
    return CONVOLUTIONS[dims](channels, out_channels, kernel, **options)


def batch_norm(dims: int, channels: int) -> nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d:
    """Batch norm of maps of `dims` dimensions."""
    return BATCH_NORMS[dims](channels)


def mean_pool(dims: int, stride: int) -> nn.Module:
    """Means over pieces of `stride` a side; what is left over at the end is the mean of what there is."""
    return MEANS[dims](stride, stride, ceil_mode=True, count_include_pad=False)


def beside_space(x: Tensor, dims: int) -> Tensor:
    """A vector per row as a map of one position: `[b, c]` → `[b, c, 1, …]`."""
    return x.view(*x.shape, *(1,) * dims)
