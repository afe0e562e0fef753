"""Options of the networks that denoise. Imports no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from trainwright.config.model import PartConfig
from trainwright.nn.blocks.refusals import refuse, refuse_even, refuse_uneven

Auto = Literal["auto"]


class AutoBackboneOptions(PartConfig):
    """The network that suits the shape of the samples: an MLP for vectors and the smallest pictures, a U-Net for all others."""

    type: str = "auto"


class BackboneOptions(PartConfig):
    """What all networks have."""

    type: str
    condition_width: int = Field(default=256, ge=2, multiple_of=2)
    """Length of the vector that level of noise, class and other conditions are made into; even."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of activations zeroed in training."""


class MLPOptions(BackboneOptions):
    """Residual layers over all numbers of a sample at once."""

    type: str = "mlp"
    condition_width: int = Field(default=128, ge=2, multiple_of=2)
    """Length of the vector that level of noise, class and other conditions are made into; even."""
    width: int = Field(default=256, ge=1)
    """Numbers between the blocks."""
    depth: int = Field(default=4, ge=1)
    """Residual blocks of two layers each."""
    expansion: float = Field(default=1.0, gt=0)
    """Numbers inside a block, in multiples of `width`."""


class UNetBackboneOptions(BackboneOptions):
    """Levels of residual blocks, each of half the size, and back up with skips; attention where there are few positions."""

    type: str = "unet"
    width: int = Field(default=64, ge=1)
    """Channels of the first level."""
    multipliers: list[int] | Auto = "auto"
    """Channels of each level, in multiples of `width`. `auto`: 1, then 2, for as many levels as halve the sides down to 4 to 8."""
    depth: int = Field(default=2, ge=1)
    """Residual blocks of a level on the way down; one more on the way up."""
    attention: list[int] | Auto = "auto"
    """Levels with attention after each block, 0 the first, of full size. `auto`: those of at most 256 positions."""
    middle_attention: bool = True
    """Attention between the two blocks at the bottom."""
    heads: int = Field(default=4, ge=1)
    """Heads of attention; they divide the channels of its levels."""

    @model_validator(mode="after")
    def _fits(self) -> Any:
        levels = None if self.multipliers == "auto" else len(self.multipliers)
        if self.multipliers != "auto" and (not self.multipliers or min(self.multipliers) < 1):
            what = f"{self.multipliers} are no channels of levels"
            raise refuse("multipliers", what, fix="whole numbers of at least 1, one per level, such as [1, 2, 2]")
        if levels is not None and self.attention != "auto" and not all(0 <= each < levels for each in self.attention):
            raise refuse("attention", f"{self.attention} names a level that there is not", fix=f"some of 0 to {levels - 1}")
        refuse_uneven("heads", self.width, "heads", self.heads, name="width")
        return self


class DiTOptions(BackboneOptions):
    """A transformer over pieces of a sample, whose layers the conditions scale, shift and gate (Peebles & Xie 2023); this is DiT-S."""

    type: str = "dit"
    condition_width: int = Field(default=384, ge=2, multiple_of=2)
    """Length of the vector that level of noise, class and other conditions are made into; even."""
    patch: int | Auto = Field(default="auto")
    """Side of a piece. `auto`: the smallest power of two that leaves at most 256 pieces."""
    width: int = Field(default=384, ge=1)
    """Numbers of a token."""
    depth: int = Field(default=12, ge=1)
    """Blocks."""
    heads: int = Field(default=6, ge=1)
    """Heads of attention; they divide the width."""
    expansion: float = Field(default=4.0, gt=0)
    """Numbers inside the feed-forward layers, in multiples of `width`."""

    @model_validator(mode="after")
    def _fits(self) -> Any:
        refuse_patch(self.patch)
        refuse_uneven("width", self.width, "heads", self.heads)
        return self


class HourglassOptions(BackboneOptions):
    """A transformer of several scales whose finer levels attend nearby alone (Crowson et al. 2024, HDiT)."""

    type: str = "hourglass"
    patch: int | Auto = Field(default="auto")
    """Side of the pieces that are the tokens of the first level. `auto`: the smallest power of two that leaves at most 1024."""
    widths: list[int] = Field(default=[128, 256], min_length=1)
    """Numbers of a token of each level; every level has half the sides of the one before."""
    depths: list[int] = Field(default=[2, 4], min_length=1)
    """Layers of each level; those of all but the last come twice, on the way down and on the way up."""
    attention: list[Literal["neighbourhood", "axial", "global", "none"]] | Auto = "auto"
    """Of each level: to cells around, along each axis in turn, to all, or none. `auto`: to all in the last, around in others."""
    window: int = Field(default=7, ge=1)
    """Cells along each axis that a cell sees in levels with `neighbourhood`; odd."""
    head_width: int = Field(default=64, ge=8, multiple_of=8)
    """Numbers of a head of attention; it divides all widths."""
    expansion: float = Field(default=3.0, gt=0)
    """Numbers inside the gated feed-forward layers, in multiples of the width."""

    @model_validator(mode="after")
    def _fits(self) -> Any:
        refuse_patch(self.patch)
        refuse_even("window", self.window)
        if self.attention != "auto" and len(self.attention) != len(self.widths):
            raise refuse("attention", f"{len(self.attention)} for {len(self.widths)} widths", fix="name one for each level")
        if len(self.depths) != len(self.widths):
            raise refuse("depths", f"{len(self.depths)} for {len(self.widths)} widths", fix="give one for each level")
        if min(self.depths) < 1 or min(self.widths) < 1:
            raise refuse("depths", "must be at least 1, and so must widths", fix="leave out a level that is to have none")
        for width in self.widths:
            refuse_uneven("widths", width, "head_width", self.head_width, name="width")
        return self


def refuse_patch(patch: int | Auto) -> None:
    """Raises for a side of no cells."""
    if patch != "auto" and patch < 1:
        raise refuse("patch", f"{patch} is no side of a piece", fix="use a whole number of at least 1, or auto")
