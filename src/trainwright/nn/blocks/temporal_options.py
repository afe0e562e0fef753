"""Options of convolutions over time. Imports no torch."""

from __future__ import annotations

from pydantic import Field

from trainwright.config.model import PartConfig
from trainwright.nn.encoders import Activation


class CausalConvolutionOptions(PartConfig):
    """A convolution over time that sees the present and the past alone (van den Oord et al. 2016)."""

    type: str = "causal_convolution"
    channels: int = Field(ge=1)
    """Channels of the input."""
    out_channels: int | None = Field(default=None, ge=1)
    """Channels of the output; as many as the input by default."""
    kernel: int = Field(default=3, ge=1)
    """Samples under each filter."""
    dilation: int = Field(default=1, ge=1)
    """Distance between them."""
    weight_norm: bool = False
    """Each filter is its direction times a learned length (Salimans & Kingma 2016)."""


class TCNBlockOptions(PartConfig):
    """Two causal convolutions with weight norm, activation and dropout, and a shortcut around them (Bai et al. 2018)."""

    type: str = "tcn_block"
    channels: int = Field(ge=1)
    """Channels of the input."""
    out_channels: int | None = Field(default=None, ge=1)
    """Channels of the output; as many as the input by default."""
    kernel: int = Field(default=3, ge=1)
    """Samples under each filter."""
    dilation: int = Field(default=1, ge=1)
    """Distance between them; it usually doubles from block to block."""
    activation: Activation = "relu"
    """Function after each convolution, and after the sum."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of channels zeroed in training, after each convolution."""
    weight_norm: bool = True
    """Each filter is its direction times a learned length (Salimans & Kingma 2016)."""
