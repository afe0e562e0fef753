"""What is left open in the options of a network, by the shape of the samples. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.domains.diffusion.models.options import DiTOptions, HourglassOptions, MLPOptions, UNetBackboneOptions
from trainwright.domains.diffusion.models.shape import BackboneShape

FEW_NUMBERS = 256
"""Samples of at most so many numbers, such as grey pictures of 16×16, are given to an MLP."""
SMALLEST_SIDE = 4
"""Positions a side at the bottom of a U-Net, at least."""
USUAL_LEVELS = 4
"""Levels of a U-Net, unless there are more than `FEW_POSITIONS` at its bottom then."""
FEW_POSITIONS = 256
"""Levels of a U-Net of at most so many positions have attention; a transformer has at most so many pieces."""
MANY_POSITIONS = 1024
"""Pieces of the first level of an hourglass, at most."""


def choose_backbone(options: PartConfig, shape: BackboneShape) -> PartConfig:
    """The options of the network, with `auto` and what else was left open decided by the shape; own networks as they are.

    Raises ConfigError for a network that cannot take such samples.
    """
    if options.type == "auto":
        few = not shape.size or shape.numbers <= FEW_NUMBERS
        options = MLPOptions() if few else UNetBackboneOptions()
    return options.model_copy(update=settle_options(options, shape))


def settle_options(options: PartConfig, shape: BackboneShape) -> dict[str, object]:
    """The options that were left open, as they are for samples of this shape."""
    if isinstance(options, UNetBackboneOptions):
        return {"multipliers": multipliers_of(options, shape), "attention": attention_of(options, shape)}
    if isinstance(options, DiTOptions):
        return {"patch": patch_of(options, shape)}
    if isinstance(options, HourglassOptions):
        return {"patch": hourglass_patch(options, shape), "attention": attention_kinds(options)}
    return {}


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


def patch_of(options: DiTOptions, shape: BackboneShape) -> int:
    """Side of the pieces of a transformer; raises ConfigError where they do not fill the sample."""
    refuse_vectors("dit", shape)
    patch = smallest_patch(shape.size, FEW_POSITIONS, 1) if options.patch == "auto" else options.patch
    ensure_divisible("dit", shape.size, patch)
    return patch


def hourglass_patch(options: HourglassOptions, shape: BackboneShape) -> int:
    """The same of the first level of an hourglass; raises ConfigError where levels do not halve it evenly."""
    refuse_vectors("hourglass", shape)
    halvings = 2 ** (len(options.widths) - 1)
    patch = smallest_patch(shape.size, MANY_POSITIONS, halvings) if options.patch == "auto" else options.patch
    ensure_divisible("hourglass", shape.size, patch * halvings)
    return patch


def attention_kinds(options: HourglassOptions) -> list[str]:
    """The attention of each level: nearby but in the last."""
    return ["neighbourhood"] * (len(options.widths) - 1) + ["global"] if options.attention == "auto" else list(options.attention)


def smallest_patch(size: Sequence[int], most: int, halvings: int) -> int:
    """The smallest power of two that leaves at most so many pieces, or the largest by which all sides can be divided."""
    patch = 1
    while math.prod(size) // patch ** len(size) > most and all(side % (2 * patch * halvings) == 0 for side in size):
        patch *= 2
    return patch


def ensure_divisible(name: str, size: Sequence[int], side: int) -> None:
    """Raises ConfigError for samples that cannot be divided into pieces of this side."""
    if any(each % side for each in size):
        shown = "×".join(map(str, size))
        larger = "×".join(str(-(-each // side) * side) for each in size)
        what = f"backbone '{name}' divides samples into pieces of {side} a side, and they are {shown}"
        fix = f"resize or crop them to {larger}, or use a smaller patch or fewer levels; backbone: unet takes any size"
        raise ConfigError(what, where="system.backbone", fix=fix)


def refuse_vectors(name: str, shape: BackboneShape) -> None:
    """Raises ConfigError for a network over positions where there are none."""
    if not shape.size:
        what = f"backbone '{name}' is for pictures and signals, and the samples are vectors of {shape.channels} numbers"
        raise ConfigError(what, where="system.backbone", fix="use backbone: mlp")
