"""Options of numbers as sines and cosines. Imports no torch."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from trainwright.config.model import PartConfig
from trainwright.nn.blocks.refusals import refuse


def refuse_odd_width(width: int) -> None:
    """Raises for a width of which half cannot be sines."""
    if width % 2:
        raise refuse("width", f"must be even, not {width}", why="half of it are sines, half cosines", fix=f"use {width + 1}")


class FourierFeaturesOptions(PartConfig):
    """Cosines and sines of random projections of vectors (Tancik et al. 2020)."""

    type: str = "fourier_features"
    features: int = Field(ge=1)
    """Length of the vectors, such as 2 for places in an image."""
    width: int = Field(ge=2)
    """Length of the result; half of it are cosines, half sines."""
    scale: float = Field(default=1.0, gt=0)
    """Standard deviation of the frequencies; the option most worth tuning."""
    learned: bool = False
    """Frequencies are trained; else they stay as they were drawn, and are kept with the weights."""

    @model_validator(mode="after")
    def _fits(self) -> Any:
        refuse_odd_width(self.width)
        return self


class FrequencyEncodingOptions(PartConfig):
    """Each number with its sines and cosines at frequencies that double (Mildenhall et al. 2020, eq. 4)."""

    type: str = "frequency_encoding"
    frequencies: int = Field(default=10, ge=1)
    """How many there are: scale · 1, 2, 4, …, 2^(frequencies − 1)."""
    include_input: bool = True
    """The numbers themselves come first."""
    scale: float = Field(default=1.0, gt=0)
    """The lowest frequency, in radians; π for the paper's text, 1 for its code."""


class SinusoidalEmbeddingOptions(PartConfig):
    """Numbers, such as steps of diffusion, as cosines and sines from the fastest to the slowest (Vaswani et al. 2017; Ho et al. 2020)."""

    type: str = "sinusoidal_embedding"
    width: int = Field(ge=2)
    """Length of the result; half of it are cosines, half sines."""
    max_period: float = Field(default=10000.0, gt=0)
    """The longest wave is nearly 2π times as long."""

    @model_validator(mode="after")
    def _fits(self) -> Any:
        refuse_odd_width(self.width)
        return self
