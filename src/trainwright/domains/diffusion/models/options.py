"""Options of the networks that denoise. Imports no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from trainwright.config.model import PartConfig
from trainwright.nn.blocks.refusals import refuse, refuse_uneven

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
