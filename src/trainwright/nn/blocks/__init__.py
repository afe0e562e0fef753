"""Blocks that networks are made of, by the number of dimensions of what they take. This table imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwright.config.domains import PartTable
from trainwright.config.elsewhere import found_later
from trainwright.config.registry import Part

if TYPE_CHECKING:
    from trainwright.nn.blocks.attention import Attention as Attention
    from trainwright.nn.blocks.attention import FeedForward as FeedForward
    from trainwright.nn.blocks.cache import KeyValueCache as KeyValueCache
    from trainwright.nn.blocks.cache import ScanCache as ScanCache
    from trainwright.nn.blocks.convnext import ConvNeXtBlock as ConvNeXtBlock
    from trainwright.nn.blocks.drop_path import DropPath as DropPath
    from trainwright.nn.blocks.drop_path import drop_path_rates as drop_path_rates
    from trainwright.nn.blocks.embeddings import PatchEmbedding as PatchEmbedding
    from trainwright.nn.blocks.embeddings import StridedEmbedding as StridedEmbedding
    from trainwright.nn.blocks.fourier import FourierFeatures as FourierFeatures
    from trainwright.nn.blocks.fourier import FrequencyEncoding as FrequencyEncoding
    from trainwright.nn.blocks.fourier import SinusoidalEmbedding as SinusoidalEmbedding
    from trainwright.nn.blocks.layer_scale import LayerScale as LayerScale
    from trainwright.nn.blocks.map_attention import MapAttention as MapAttention
    from trainwright.nn.blocks.norms import ChannelNorm as ChannelNorm
    from trainwright.nn.blocks.norms import GlobalResponseNorm as GlobalResponseNorm
    from trainwright.nn.blocks.pooling import AttentionPool as AttentionPool
    from trainwright.nn.blocks.pooling import PerceiverPool as PerceiverPool
    from trainwright.nn.blocks.positions import LearnedPositions as LearnedPositions
    from trainwright.nn.blocks.positions import SinusoidalPositions as SinusoidalPositions
    from trainwright.nn.blocks.residual import BasicBlock as BasicBlock
    from trainwright.nn.blocks.residual import Bottleneck as Bottleneck
    from trainwright.nn.blocks.squeeze_excitation import SqueezeExcitation as SqueezeExcitation
    from trainwright.nn.blocks.state_space import Mamba as Mamba
    from trainwright.nn.blocks.state_space import MambaBlock as MambaBlock
    from trainwright.nn.blocks.temporal import CausalConvolution as CausalConvolution
    from trainwright.nn.blocks.temporal import TCNBlock as TCNBlock
    from trainwright.nn.blocks.transformer import TransformerBlock as TransformerBlock
    from trainwright.nn.blocks.transformer import TransformerStack as TransformerStack
    from trainwright.nn.blocks.unet import UNet as UNet
    from trainwright.nn.blocks.unet_block import UNetBlock as UNetBlock
    from trainwright.nn.blocks.windows import AxialAttention as AxialAttention
    from trainwright.nn.blocks.windows import AxialBlock as AxialBlock
    from trainwright.nn.blocks.windows import PatchMerging as PatchMerging
    from trainwright.nn.blocks.windows import SwinBlock as SwinBlock
    from trainwright.nn.blocks.windows import WindowAttention as WindowAttention

_HERE = "trainwright.nn.blocks"


def _block(file: str, name: str, options: str, summary: str) -> Part:
    """A block of this package; its options are imported when they are first asked for."""
    return Part(f"{_HERE}.{file}:{name}", f"{_HERE}.{options}:{name}Options", summary)


_PARTS: dict[str, Part] = {
    "basic_block": _block("residual", "BasicBlock", "residual_options", "two convolutions and a shortcut (ResNet)"),
    "bottleneck": _block("residual", "Bottleneck", "residual_options", "1×1, 3×3, 1×1 and a shortcut (ResNet, ResNeXt)"),
    "squeeze_excitation": _block("squeeze_excitation", "SqueezeExcitation", "residual_options", "a gate per channel from all channels"),
    "drop_path": _block("drop_path", "DropPath", "residual_options", "whole rows of a residual left out in training"),
    "convnext_block": _block("convnext", "ConvNeXtBlock", "convnext_options", "wide convolution per channel, two linear layers (ConvNeXt)"),
    "channel_norm": _block("norms", "ChannelNorm", "convnext_options", "layer norm over the channels of a map"),
    "global_response_norm": _block("norms", "GlobalResponseNorm", "convnext_options", "channels that compete over a map (ConvNeXt v2)"),
    "attention": _block("attention", "Attention", "attention_options", "multi-head attention, to the tokens themselves or to others"),
    "feed_forward": _block("attention", "FeedForward", "attention_options", "two linear layers, plain or gated (SwiGLU)"),
    "transformer_block": _block("transformer", "TransformerBlock", "attention_options", "attention and a feed-forward layer"),
    "transformer_stack": _block("transformer", "TransformerStack", "attention_options", "transformer blocks, positions and a last norm"),
    "learned_positions": _block("positions", "LearnedPositions", "position_options", "a learned vector per position"),
    "sinusoidal_positions": _block("positions", "SinusoidalPositions", "position_options", "sines and cosines of the position"),
    "axial_attention": _block("windows", "AxialAttention", "grid_options", "attention along one axis of a grid"),
    "axial_block": _block("windows", "AxialBlock", "grid_options", "attention along each axis of a grid, and a feed-forward layer"),
    "window_attention": _block("windows", "WindowAttention", "grid_options", "attention within windows of a grid (Swin)"),
    "swin_block": _block("windows", "SwinBlock", "grid_options", "attention within windows, and a feed-forward layer (Swin)"),
    "patch_merging": _block("windows", "PatchMerging", "grid_options", "neighbours of a grid made one token (Swin)"),
    "attention_pool": _block("pooling", "AttentionPool", "attention_options", "tokens made one, or few, by learned queries"),
    "perceiver_pool": _block("pooling", "PerceiverPool", "attention_options", "tokens read by a few learned ones (Perceiver)"),
    "layer_scale": _block("layer_scale", "LayerScale", "position_options", "a learned factor per channel that starts small"),
    "mamba": _block("state_space", "Mamba", "state_space_options", "a selective state space"),
    "mamba_block": _block("state_space", "MambaBlock", "state_space_options", "a selective state space behind a norm, added to its input"),
    "unet": _block("unet", "UNet", "unet_options", "levels of residual blocks down and up, with skips, attention, time and condition"),
    "unet_block": _block("unet_block", "UNetBlock", "unet_options", "group norm and convolution twice, under an embedding"),
    "map_attention": _block("map_attention", "MapAttention", "unet_options", "self-attention between the positions of a map"),
    "patch_embedding": _block("embeddings", "PatchEmbedding", "embedding_options", "pieces of a map as tokens"),
    "strided_embedding": _block("embeddings", "StridedEmbedding", "embedding_options", "a map as tokens by convolutions with strides"),
    "fourier_features": _block("fourier", "FourierFeatures", "fourier_options", "waves of random projections of vectors"),
    "frequency_encoding": _block("fourier", "FrequencyEncoding", "fourier_options", "waves of each number, at frequencies that double"),
    "sinusoidal_embedding": _block("fourier", "SinusoidalEmbedding", "fourier_options", "numbers, such as steps, as waves"),
    "causal_convolution": _block("temporal", "CausalConvolution", "temporal_options", "a convolution that sees the past alone"),
    "tcn_block": _block("temporal", "TCNBlock", "temporal_options", "two causal convolutions and a shortcut (TCN)"),
}

PARTS = PartTable("block", _PARTS)
"""Registry name → block."""

_CLASSES = {part.path.partition(":")[2]: part.path.partition(":")[0] for part in _PARTS.values()}
_CLASSES |= {"drop_path_rates": f"{_HERE}.drop_path", "KeyValueCache": f"{_HERE}.cache", "ScanCache": f"{_HERE}.cache"}
__getattr__ = found_later(__name__, _CLASSES)
