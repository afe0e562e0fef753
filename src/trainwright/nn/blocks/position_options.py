"""Options of what is added to tokens, or multiplied with them. Imports no torch."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from trainwright.config.model import PartConfig
from trainwright.nn.blocks.refusals import refuse
from trainwright.nn.blocks.residual_options import Dims


class SinusoidalPositionsOptions(PartConfig):
    """Sines and cosines of the position added to every token (Vaswani et al. 2017); nothing is learned, and any length has a place."""

    type: str = "sinusoidal_positions"
    width: int = Field(ge=1)
    """Numbers of a token, the last dimension."""
    dims: Dims = 1
    """Axes between rows and channels; they share the width evenly, the first axis first."""

    @model_validator(mode="after")
    def _fits(self) -> Any:
        each = 2 * self.dims
        if self.dims > 1 and self.width % each:
            what = f"{self.width} cannot be shared by the sines and cosines of {self.dims} axes"
            raise refuse("width", what, fix=f"use {-(-self.width // each) * each}")
        return self


class LearnedPositionsOptions(PartConfig):
    """A learned vector per position added to every token."""

    type: str = "learned_positions"
    width: int = Field(ge=1)
    """Numbers of a token, the last dimension."""
    shape: list[int] | int
    """How many positions there are; one number per axis of a grid."""
    std: float = Field(default=0.02, ge=0)
    """Standard deviation of the first values, cut at 2."""

    @model_validator(mode="after")
    def _fits(self) -> Any:
        sides = [self.shape] if isinstance(self.shape, int) else self.shape
        if not 1 <= len(sides) <= 3 or any(side < 1 for side in sides):
            raise refuse("shape", f"must be one to three numbers of at least 1, not {self.shape}", fix="for example shape: [14, 14]")
        return self


class LayerScaleOptions(PartConfig):
    """A learned factor per channel that starts small (Touvron et al. 2021, CaiT)."""

    type: str = "layer_scale"
    width: int = Field(ge=1)
    """Numbers of a token, the last dimension."""
    start: float = 1e-5
    """What all factors start at."""
