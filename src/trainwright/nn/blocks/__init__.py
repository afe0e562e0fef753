"""Blocks that networks are made of, by the number of dimensions of what they take. This table imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwright.config.domains import PartTable
from trainwright.config.elsewhere import found_later
from trainwright.config.registry import Part

if TYPE_CHECKING:
    from trainwright.nn.blocks.convnext import ConvNeXtBlock as ConvNeXtBlock
    from trainwright.nn.blocks.drop_path import DropPath as DropPath
    from trainwright.nn.blocks.drop_path import drop_path_rates as drop_path_rates
    from trainwright.nn.blocks.norms import ChannelNorm as ChannelNorm
    from trainwright.nn.blocks.norms import GlobalResponseNorm as GlobalResponseNorm
    from trainwright.nn.blocks.residual import BasicBlock as BasicBlock
    from trainwright.nn.blocks.residual import Bottleneck as Bottleneck
    from trainwright.nn.blocks.squeeze_excitation import SqueezeExcitation as SqueezeExcitation

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
}

PARTS = PartTable("block", _PARTS)
"""Registry name → block."""

_CLASSES = {part.path.partition(":")[2]: part.path.partition(":")[0] for part in _PARTS.values()}
__getattr__ = found_later(__name__, {**_CLASSES, "drop_path_rates": f"{_HERE}.drop_path"})
