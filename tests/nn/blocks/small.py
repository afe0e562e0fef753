"""A small one of every block, for what is asked of all of them."""

from __future__ import annotations

from collections.abc import Callable

from filled import numbers
from torch import Tensor, nn

from trainwright.nn import blocks

SMALL: dict[str, tuple[Callable[[], nn.Module], list[tuple[int, ...]]]] = {
    "basic_block": (lambda: blocks.BasicBlock(2, 4, stride=2, squeeze=2, activation="silu"), [(2, 2, 4, 4)]),
    "basic_block 1": (lambda: blocks.BasicBlock(2, dims=1, preactivation=True, activation="tanh"), [(2, 2, 5)]),
    "bottleneck": (lambda: blocks.Bottleneck(4, 8, stride=2, shortcut="pool", activation="silu"), [(2, 4, 3, 3)]),
    "squeeze_excitation": (lambda: blocks.SqueezeExcitation(4, 2, activation="silu"), [(2, 4, 3)]),
    "convnext_block": (lambda: blocks.ConvNeXtBlock(2, kernel=3, layer_scale=0.5), [(2, 2, 3, 3)]),
    "convnext_block 3": (lambda: blocks.ConvNeXtBlock(2, dims=3, kernel=3, grn=True), [(1, 2, 2, 3, 2)]),
    "channel_norm": (lambda: blocks.ChannelNorm(3), [(2, 3, 4)]),
    "global_response_norm": (lambda: blocks.GlobalResponseNorm(3), [(2, 4, 3)]),
    "unet": (
        lambda: blocks.UNet(1, 2, dims=1, width=4, multipliers=[1, 2], depth=1, attention=[1], heads=2, groups=2, condition=3),
        [(1, 1, 5), (1, 3)],
    ),
    "unet_block": (lambda: blocks.UNetBlock(2, 4, embedding=3, groups=2), [(2, 2, 3, 3), (2, 3)]),
    "map_attention": (lambda: blocks.MapAttention(4, heads=2, groups=2), [(2, 4, 3, 2)]),
    "patch_embedding": (lambda: blocks.PatchEmbedding(2, 3, 2, pad=True), [(2, 2, 3, 5)]),
    "strided_embedding": (lambda: blocks.StridedEmbedding(2, 3, [2, 4], norm="channel", activation="gelu"), [(2, 2, 5, 5)]),
    "fourier_features": (lambda: blocks.FourierFeatures(2, 6, learned=True), [(3, 2)]),
    "frequency_encoding": (lambda: blocks.FrequencyEncoding(3), [(3, 2)]),
    "sinusoidal_embedding": (lambda: blocks.SinusoidalEmbedding(6), [(3,)]),
    "causal_convolution": (lambda: blocks.CausalConvolution(2, 3, weight_norm=True), [(2, 2, 6)]),
    "tcn_block": (lambda: blocks.TCNBlock(2, 3, dilation=2, activation="silu"), [(2, 2, 7)]),
    "drop_path": (lambda: blocks.DropPath(0.5), [(2, 3)]),
}


def in_doubles(case: str) -> tuple[nn.Module, list[Tensor]]:
    """A small block in evaluation mode whose weights are all away from 0, and inputs."""
    make, shapes = SMALL[case]
    module = make().double().eval()
    for name, each in module.named_parameters():
        each.detach().copy_(0.4 * numbers(name, *each.shape))
    return module, [numbers(f"input {number}", *shape).double().requires_grad_() for number, shape in enumerate(shapes)]
