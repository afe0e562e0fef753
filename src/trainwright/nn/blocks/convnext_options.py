"""Options of ConvNeXt's blocks and of the norms that go with them. Imports no torch."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from trainwright.config.model import PartConfig
from trainwright.nn.blocks.refusals import refuse_even
from trainwright.nn.blocks.residual_options import Dims
from trainwright.nn.encoders import Activation


class ChannelNormOptions(PartConfig):
    """Layer norm over the channels of a map, at each position by itself."""

    type: str = "channel_norm"
    channels: int = Field(ge=1)
    """Channels of the map."""
    eps: float = Field(default=1e-6, gt=0)
    """Added to the variance."""


class GlobalResponseNormOptions(PartConfig):
    """Every channel scaled by its size over the whole map, relative to the other channels (Woo et al. 2023)."""

    type: str = "global_response_norm"
    channels: int = Field(ge=1)
    """Channels of the map."""
    eps: float = Field(default=1e-6, gt=0)
    """Added to the mean size that is divided by."""


class ConvNeXtBlockOptions(PartConfig):
    """A wide convolution per channel, layer norm, and two linear layers over the channels (Liu et al. 2022); with `grn` version 2."""

    type: str = "convnext_block"
    channels: int = Field(ge=1)
    """Channels of the input, and of the output."""
    dims: Dims = 2
    """Dimensions of a map: 1 for signals, 2 for images, 3 for volumes."""
    kernel: int = Field(default=7, ge=1)
    """Side of the filters; odd."""
    expansion: int = Field(default=4, ge=1)
    """Between the two linear layers there are channels · expansion."""
    layer_scale: float = Field(default=1e-6, ge=0)
    """A learned factor per channel before the sum starts here; 0 for no such factor, as is usual with `grn`."""
    grn: bool = False
    """Global response norm between the two linear layers, as in version 2 (Woo et al. 2023)."""
    activation: Activation = "gelu"
    """Function between the two linear layers."""
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    """Share of rows whose block is left out in training."""

    @model_validator(mode="after")
    def _fits(self) -> Any:
        refuse_even("kernel", self.kernel)
        return self
