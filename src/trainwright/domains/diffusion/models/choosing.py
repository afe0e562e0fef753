"""What is left open in the options of a network, by the shape of the samples. Imports no torch."""

from __future__ import annotations

import math

from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.domains.diffusion.models.options import MLPOptions, UNetBackboneOptions
from trainwright.domains.diffusion.models.shape import BackboneShape

FEW_NUMBERS = 256
"""Samples of at most so many numbers, such as grey pictures of 16×16, are given to an MLP."""
SMALLEST_SIDE = 4
"""Positions a side at the bottom of a U-Net, at least."""
USUAL_LEVELS = 4
"""Levels of a U-Net, unless there are more than `FEW_POSITIONS` at its bottom then."""
FEW_POSITIONS = 256
"""Levels of a U-Net of at most so many positions have attention."""


def choose_backbone(options: PartConfig, shape: BackboneShape) -> PartConfig:
    """The options of the network, with `auto` and what else was left open decided by the shape; own networks as they are.

    Raises ConfigError for a network that cannot take such samples.
    """
    if options.type == "auto":
        few = not shape.size or shape.numbers <= FEW_NUMBERS
        options = MLPOptions() if few else UNetBackboneOptions()
    return settle_unet(options, shape) if isinstance(options, UNetBackboneOptions) else options


def settle_unet(options: UNetBackboneOptions, shape: BackboneShape) -> UNetBackboneOptions:
    """The options of a U-Net with its levels and those of attention."""
    return options.model_copy(update={"multipliers": multipliers_of(options, shape), "attention": attention_of(options, shape)})


def multipliers_of(options: UNetBackboneOptions, shape: BackboneShape) -> list[int]:
    """Channels of the levels of a U-Net, of which there are as many as the size allows unless they were given."""
    refuse_vectors("unet", shape)
    return [1, *[2] * (levels_of(shape.size) - 1)] if options.multipliers == "auto" else options.multipliers


def attention_of(options: UNetBackboneOptions, shape: BackboneShape) -> list[int]:
    """Levels with attention: those of few positions unless they were given."""
    if options.attention != "auto":
        return options.attention
    levels = range(len(multipliers_of(options, shape)))
    return [level for level in levels if positions_at(shape.size, level) <= FEW_POSITIONS]


def levels_of(size: tuple[int, ...]) -> int:
    """Levels down to a bottom of few positions, none of which has a side below `SMALLEST_SIDE`."""
    levels = 1
    while min(size) >= SMALLEST_SIDE * 2**levels and (levels < USUAL_LEVELS or positions_at(size, levels - 1) > FEW_POSITIONS):
        levels += 1
    return levels


def positions_at(size: tuple[int, ...], level: int) -> int:
    """Positions of a level, each of half the sides of the one before, rounded up."""
    return math.prod(-(-side // 2**level) for side in size)


def refuse_vectors(name: str, shape: BackboneShape) -> None:
    """Raises ConfigError for a network over positions where there are none."""
    if not shape.size:
        what = f"backbone '{name}' is for pictures and signals, and the samples are vectors of {shape.channels} numbers"
        raise ConfigError(what, where="system.backbone", fix="use backbone: mlp")
