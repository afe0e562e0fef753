"""Layers over recordings of different lengths: what lies beyond the end of one changes nothing, neither in training nor after.

A network runs as it is written where all are of one length. Where lengths differ, `run_padded` runs the same layers, with
what is beyond each end 0 before every convolution, left out of means, maxima and the statistics of batch norms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from trainwright.nn.blocks.convnext import ConvNeXtBlock
from trainwright.nn.blocks.norms import ChannelNorm
from trainwright.nn.blocks.residual import BasicBlock, Bottleneck
from trainwright.nn.blocks.spatial import beside_space
from trainwright.nn.blocks.squeeze_excitation import SqueezeExcitation

Kept = tuple[Tensor, Tensor]
"""Values `[b, c, *space, t]`, and what of `t` lies within each recording `[b, t]`."""
POSITIONWISE = (
    nn.Identity,
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.ReLU,
    nn.GELU,
    nn.SiLU,
    nn.Tanh,
    nn.ELU,
    nn.LeakyReLU,
    nn.Mish,
    ChannelNorm,
)
"""Layers that look at one position at a time."""


def within(keep: Bool[Tensor, "b t"], x: Tensor) -> Bool[Tensor, "b ..."]:
    """`keep` with the dimensions of `x`, time being the last."""
    return keep.view(keep.shape[0], *(1,) * (x.dim() - 2), keep.shape[1])


def blank(x: Float[Tensor, "b c *space t"], keep: Bool[Tensor, "b t"]) -> Float[Tensor, "b c *space t"]:
    """0 beyond the end of each recording."""
    return x.masked_fill(~within(keep, x), 0.0)


def run_padded(layer: nn.Module, x: Float[Tensor, "b c *space t"], keep: Bool[Tensor, "b t"]) -> Kept:
    """The layer's output, and what of it lies within each recording; raises TypeError for a layer of which that is not known."""
    if isinstance(layer, POSITIONWISE):
        return layer(x), keep
    for kind, run in RUNS.items():
        if isinstance(layer, kind):
            return run(layer, x, keep)
    own: Callable[[Tensor, Tensor], Kept] | None = getattr(layer, "forward_padded", None)
    if own is None:
        raise TypeError(f"{type(layer).__name__} is not known to leave out padding; give it forward_padded(x, keep)")
    return own(x, keep)


def _sequential(layer: Any, x: Tensor, keep: Tensor) -> Kept:
    for each in layer:
        x, keep = run_padded(each, x, keep)
    return x, keep


def _convolution(layer: Any, x: Tensor, keep: Tensor) -> Kept:
    return layer(blank(x, keep)), after(layer, keep)


def after(layer: Any, keep: Bool[Tensor, "b t"]) -> Bool[Tensor, "b u"]:
    """The positions that a convolution or pool would give of each recording alone."""
    kernel, stride, dilation = (_last(getattr(layer, name, 1)) for name in ("kernel_size", "stride", "dilation"))
    return keep[:, max(dilation * (kernel - 1) - 2 * _last(layer.padding), 0) :: stride]


def _last(given: Any) -> int:
    return int(given[-1] if isinstance(given, tuple) else given)


def _pad(layer: Any, x: Tensor, keep: Tensor) -> Kept:
    """Zeros before and behind, which count as within a recording."""
    return layer(blank(x, keep)), functional.pad(keep, (sum(layer.padding), 0), value=True)


def _max_pool(layer: Any, x: Tensor, keep: Tensor) -> Kept:
    y, kept = layer(x.masked_fill(~within(keep, x), -torch.inf)), after(layer, keep)
    return blank(y, kept), kept


def _mean_pool(layer: Any, x: Tensor, keep: Tensor) -> Kept:
    """Means over what there is, as torch's with `ceil_mode` and without `count_include_pad`."""
    y, share = layer(blank(x, keep)), layer(within(keep, x).squeeze(1).to(x.dtype))
    share = share.view(share.shape[0], *(1,) * (x.dim() - 2), share.shape[-1])
    return y / share.clamp_min(torch.finfo(x.dtype).tiny), keep[:, :: _last(layer.stride)]


def batch_norm_where(norm: Any, x: Float[Tensor, "b c *space t"], keep: Bool[Tensor, "b t"]) -> Float[Tensor, "b c *space t"]:
    """Batch norm by mean and variance of what lies within the recordings; its running statistics follow these too."""
    if not norm.training:
        return torch.as_tensor(norm(x))
    there, dims = within(keep, x).to(x.dtype), [0, *range(2, x.dim())]
    count = (there.sum() * (x[0, 0].numel() // x.shape[-1])).clamp_min(1)
    mean = (x * there).sum(dims) / count
    centred = x - beside_space(mean, x.dim() - 2)
    variance = (centred.square() * there).sum(dims) / count
    if norm.track_running_stats:
        follow_statistics(norm, mean, variance * count / (count - 1).clamp_min(1))
    scale = norm.weight * torch.rsqrt(variance + norm.eps)
    return centred * beside_space(scale, x.dim() - 2) + beside_space(norm.bias, x.dim() - 2)


@torch.no_grad()
def follow_statistics(norm: Any, mean: Tensor, variance: Tensor) -> None:
    """Running statistics as torch keeps them."""
    norm.num_batches_tracked.add_(1)
    norm.running_mean.lerp_(mean.to(norm.running_mean), norm.momentum)
    norm.running_var.lerp_(variance.to(norm.running_var), norm.momentum)


def _batch_norm(layer: Any, x: Tensor, keep: Tensor) -> Kept:
    return batch_norm_where(layer, x, keep), keep


def _squeeze_excitation(layer: Any, x: Tensor, keep: Tensor) -> Kept:
    mean = mean_where(x.flatten(2, -2).mean(2) if x.dim() > 3 else x, keep)
    gate = layer.fc2(layer.act(layer.fc1(mean))).sigmoid()
    return x * beside_space(gate, x.dim() - 2), keep


def mean_where(x: Float[Tensor, "b c t"], keep: Bool[Tensor, "b t"]) -> Float[Tensor, "b c"]:
    """The mean over time of each recording; zeros of one that is empty."""
    return blank(x, keep).sum(2) / keep.sum(1, keepdim=True).clamp_min(1)


def max_where(x: Float[Tensor, "b c t"], keep: Bool[Tensor, "b t"]) -> Float[Tensor, "b c"]:
    """The greatest over time of each recording; zeros of one that is empty."""
    greatest = x.masked_fill(~within(keep, x), -torch.inf).amax(2)
    return greatest.masked_fill(~keep.any(1, keepdim=True), 0.0)


def _basic_block(block: Any, x: Tensor, keep: Tensor) -> Kept:
    h, kept = _sequential((block.conv1, block.bn1, block.act, block.conv2, block.bn2, block.se), x, keep)
    return block.act(block.drop_path(h) + run_padded(block.downsample, x, keep)[0]), kept


def _bottleneck(block: Any, x: Tensor, keep: Tensor) -> Kept:
    layers = (block.conv1, block.bn1, block.act, block.conv2, block.bn2, block.act, block.conv3, block.bn3, block.se)
    h, kept = _sequential(layers, x, keep)
    return block.act(block.drop_path(h) + run_padded(block.downsample, x, keep)[0]), kept


def _convnext_block(block: Any, x: Tensor, keep: Tensor) -> Kept:
    return block(blank(x, keep)), keep  # all but its first convolution looks at one position at a time


RUNS: dict[Any, Callable[[Any, Tensor, Tensor], Kept]] = {
    nn.Sequential: _sequential,
    (nn.Conv1d, nn.Conv2d): _convolution,
    (nn.BatchNorm1d, nn.BatchNorm2d): _batch_norm,
    nn.ZeroPad1d: _pad,
    (nn.MaxPool1d, nn.MaxPool2d): _max_pool,
    (nn.AvgPool1d, nn.AvgPool2d): _mean_pool,
    BasicBlock: _basic_block,
    Bottleneck: _bottleneck,
    SqueezeExcitation: _squeeze_excitation,
    ConvNeXtBlock: _convnext_block,
}
"""Kind of layer → how it is run; others have `forward_padded`."""
