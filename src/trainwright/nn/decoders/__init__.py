"""Decoders: a vector per row (and member) → the outputs of one target. This table imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trainwright.config.model import PartConfig
from trainwright.config.registry import Part
from trainwright.nn.encoders import Activation


class LinearDecoderOptions(PartConfig):
    """One linear layer."""

    type: str = "linear"
    init_scale: float = Field(default=1.0, gt=0)
    """What its first weights and biases are multiplied by; with 0.001 a fine-tuned encoder begins with small gradients (ConvNeXt)."""


class MLPDecoderOptions(PartConfig):
    """Fully connected layers, then a linear one."""

    type: str = "mlp"
    depth: int = Field(default=1, ge=1)
    """Hidden layers."""
    width: int = Field(default=128, ge=1)
    """Neurons of each hidden layer."""
    activation: Activation = "relu"
    """Function after each hidden layer."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of activations zeroed in training."""


class PositionsDecoderOptions(PartConfig):
    """A class at every position: residual convolutions over the input array that has these positions, and the row's vector at each."""

    type: str = "positions"
    input: str = ""
    """The column of files that is read; default: the one whose arrays have the positions of the target."""
    width: int = Field(default=32, ge=1)
    """Channels of the convolutions."""
    depth: int = Field(default=4, ge=1)
    """Convolutions, each reaching twice as far as the one before."""
    kernel: int = Field(default=5, ge=1)
    """Positions that each reads, an odd number."""
    activation: Activation = "gelu"
    """Function after each convolution."""
    network: Literal["dilated", "unet"] = "dilated"
    """Dilated convolutions, or a U-Net of `width`, 2 · `width` and 4 · `width` channels, each with half the positions of the one before."""


PARTS: dict[str, Part] = {
    "linear": Part("trainwright.nn.decoders.linear:LinearDecoder", LinearDecoderOptions, "one linear layer"),
    "positions": Part(
        "trainwright.nn.decoders.positions:PositionsDecoder", PositionsDecoderOptions, "a class at every position of an input array"
    ),
    "mlp": Part("trainwright.nn.decoders.mlp:MLPDecoder", MLPDecoderOptions, "fully connected layers, then a linear one"),
}
