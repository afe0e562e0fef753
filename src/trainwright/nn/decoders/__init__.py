"""Decoders: a vector per row (and member) → the outputs of one target. This table imports no torch."""

from __future__ import annotations

from pydantic import Field

from trainwright.config.model import PartConfig
from trainwright.config.registry import Part
from trainwright.nn.encoders import Activation


class LinearDecoderOptions(PartConfig):
    """One linear layer."""

    type: str = "linear"


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


PARTS: dict[str, Part] = {
    "linear": Part("trainwright.nn.decoders.linear:LinearDecoder", LinearDecoderOptions, "one linear layer"),
    "mlp": Part("trainwright.nn.decoders.mlp:MLPDecoder", MLPDecoderOptions, "fully connected layers, then a linear one"),
}
