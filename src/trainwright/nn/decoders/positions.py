"""A class at every position of a row: convolutions over the array that has these positions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.features.spec import InputGroup, TargetSpec
from trainwright.nn.blocks.unet import UNet
from trainwright.nn.decoders import PositionsDecoderOptions
from trainwright.nn.networks.activations import activation

GROUPS = 8
"""Of the norms of a U-Net, where they divide its channels."""


class PositionsDecoder(nn.Module):
    """`[b, w]` or `[b, k, w]`, and an array `[b, 1, *p]`, `[b, 1, *p, c]` or `[b, 1, c, *p]` → `[b, classes, *p]`, p the positions.

    Each convolution is as wide as its dilation allows without losing a position; nothing depends on the other rows of the batch.
    """

    def __init__(
        self, options: PositionsDecoderOptions, width: int, members: int, target: TargetSpec, inputs: Sequence[InputGroup] = ()
    ) -> None:
        super().__init__()
        if not 1 <= len(target.positions) <= 3:
            what = f"target '{target.name}' has {len(target.positions)} dimensions of positions"
            raise ConfigError(what, fix="give one to three, or a decoder of your own") if target.positions else _no_positions(target)
        if options.kernel % 2 == 0:
            where = f"columns.{target.name}.decoder.kernel"
            raise ConfigError(f"kernel must be odd, not {options.kernel}", where=where, fix=f"use {options.kernel + 1}")
        group, self.channels_last, channels = read_group(options.input, target, inputs)
        self.reads, self.positions = f"{group.name}.value", target.positions
        self.unet = make_unet(options, width, channels, target) if options.network == "unet" else None
        if self.unet is not None:
            return
        make = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[len(target.positions)]
        self.first = make(channels, options.width, 1)
        self.row = nn.Linear(width, options.width)
        self.layers = nn.ModuleList(
            make(options.width, options.width, options.kernel, padding=2**i * (options.kernel // 2), dilation=2**i)
            for i in range(options.depth)
        )
        self.activation = activation(options.activation)
        self.last = make(options.width, target.width, 1)

    def forward(self, hidden: Float[Tensor, "b *k w"], array: Float[Tensor, "b 1 ..."]) -> Float[Tensor, "b c ..."]:
        """The outputs of every class at every position; members count as their mean."""
        x, dims = array[:, 0], len(self.positions)
        if x.dim() == dims + 1:
            x = x.unsqueeze(1)
        elif self.channels_last:
            x = x.movedim(-1, 1)
        row = hidden if hidden.dim() == 2 else hidden.mean(dim=1)
        if self.unet is not None:
            return self.unet(x, row)
        row = self.row(row)
        x = self.first(x) + row.view(*row.shape, *[1] * dims)
        for layer in self.layers:
            x = x + self.activation(layer(x))
        return self.last(x)


def make_unet(options: PositionsDecoderOptions, width: int, channels: int, target: TargetSpec) -> UNet:
    """A U-Net over the array that is given the row's vector in every block."""
    groups = math.gcd(options.width, GROUPS)
    sizes: dict[str, Any] = {"dims": len(target.positions), "width": options.width, "groups": groups}
    return UNet(channels, target.width, depth=1, middle_attention=False, condition=width, **sizes)


def read_group(name: str, target: TargetSpec, inputs: Sequence[InputGroup]) -> tuple[InputGroup, bool, int]:
    """The group with the array that is read, whether its channels come last, and how many; raises ConfigError for none or several."""
    found = [(group, *fit) for group in inputs if (not name or name in group.columns) and (fit := _channels(group, target.positions))]
    shown = "×".join(map(str, target.positions))
    if len(found) == 1:
        return found[0]
    where = f"columns.{target.name}.decoder.input"
    if found:
        names = ", ".join(f"'{each[0].columns[0]}'" for each in found)
        raise ConfigError(f"several inputs have the {shown} positions of target '{target.name}': {names}", where=where, fix="name one")
    files = [group for group in inputs if _has_arrays(group)]
    shapes = ", ".join(f"'{group.columns[0]}' {group.parts['value'][1:]}" for group in files)
    why = f"columns of files have {shapes}" if shapes else "no input is a column of files"
    fix = "give inputs and target the same crop, or a decoder of your own"
    raise ConfigError(f"no input has the {shown} positions of target '{target.name}'", where=where, why=why, fix=fix)


def _channels(group: InputGroup, positions: tuple[int, ...]) -> tuple[bool, int] | None:
    """Whether channels come last and how many, where a group's array has the positions; None where it has not."""
    if not _has_arrays(group) or len(group.columns) != 1:
        return None
    shape = tuple(group.parts["value"][1:])
    if shape == positions:
        return False, 1
    if group.time_last:
        return (False, shape[0]) if shape[1:] == positions else None
    if shape[:-1] == positions:
        return True, shape[-1]
    return (False, shape[0]) if shape[1:] == positions else None


def _has_arrays(group: InputGroup) -> bool:
    """Whether the group is of files, or of recordings, which have time last."""
    return group.kind == "file" or group.time_last


def _no_positions(target: TargetSpec) -> ConfigError:
    what, why = "decoder 'positions' gives a class at every position", f"'{target.name}' has one value a row"
    return ConfigError(what, where=f"columns.{target.name}.decoder", why=why, fix="use linear or mlp")
