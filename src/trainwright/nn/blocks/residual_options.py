"""Options of residual blocks, and of what stands in them. Imports no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from trainwright.config.model import PartConfig
from trainwright.nn.blocks.refusals import refuse, refuse_even, refuse_uneven
from trainwright.nn.encoders import Activation

Dims = Literal[1, 2, 3]


class DropPathOptions(PartConfig):
    """Stochastic depth: in training whole rows become 0 at this rate, and the others are divided by 1 − rate (Huang et al. 2016)."""

    type: str = "drop_path"
    rate: float = Field(ge=0, lt=1)
    """Share of rows that become 0."""


class SqueezeExcitationOptions(PartConfig):
    """Every channel times a gate between 0 and 1 that two linear layers give from the means of all channels (Hu et al. 2018)."""

    type: str = "squeeze_excitation"
    channels: int = Field(ge=1)
    """Channels of the input, and of the output."""
    reduction: int = Field(default=16, ge=1)
    """The first linear layer has channels / reduction outputs, at least 1."""
    activation: Activation = "relu"
    """Function between the two layers."""


class _ResidualOptions(PartConfig):
    """What the two blocks of residual networks have in common."""

    type: str
    channels: int = Field(ge=1)
    """Channels of the input."""
    out_channels: int | None = Field(default=None, ge=1)
    """Channels of the output; as many as the input by default."""
    stride: int = Field(default=1, ge=1)
    """Step of the 3×3 convolution (of two, the first), and of the shortcut."""
    dims: Dims = 2
    """Dimensions of a map: 1 for signals, 2 for images, 3 for volumes."""
    kernel: int = Field(default=3, ge=1)
    """Side of the filters; odd."""
    dilation: int = Field(default=1, ge=1)
    """Distance between the samples under a filter."""
    activation: Activation = "relu"
    """Function between convolutions, and after the sum."""
    preactivation: bool = False
    """Norm and activation before each convolution, and nothing after the sum (He et al. 2016b)."""
    shortcut: Literal["conv", "pool"] = "conv"
    """A 1×1 convolution with the stride; or a mean over it, then that convolution where channels change (He et al. 2019, ResNet-D)."""
    squeeze: int = Field(default=0, ge=0)
    """Reduction of a squeeze-and-excitation before the sum; 0 for none."""
    zero_last: bool = False
    """The scale of the last norm starts at 0, so that the block starts as its shortcut (Goyal et al. 2017); not with `preactivation`."""
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    """Share of rows whose block is left out in training."""

    @model_validator(mode="after")
    def _fits(self) -> Any:
        refuse_even("kernel", self.kernel)
        if self.zero_last and self.preactivation:
            why = "the last thing before the sum is a convolution there"
            raise refuse("zero_last", "it cannot be with preactivation", why=why, fix="leave one of them out")
        return self


class BasicBlockOptions(_ResidualOptions):
    """Two 3×3 convolutions with batch norm, and a shortcut around them (He et al. 2016a, figure 5 left)."""

    type: str = "basic_block"
    second_kernel: int | None = Field(default=None, ge=1)
    """Side of the filters of the second convolution; as `kernel` by default."""

    @model_validator(mode="after")
    def _second_fits(self) -> Any:
        refuse_even("second_kernel", self.second_kernel or 1)
        return self


class BottleneckOptions(_ResidualOptions):
    """1×1, 3×3 and 1×1 convolutions with batch norm, and a shortcut around them (He et al. 2016a, figure 5 right)."""

    type: str = "bottleneck"
    expansion: int = Field(default=4, ge=1)
    """The convolutions inside have out_channels / expansion channels."""
    groups: int = Field(default=1, ge=1)
    """Groups of the 3×3 convolution (ResNeXt, Xie et al. 2017)."""

    @model_validator(mode="after")
    def _divides(self) -> Any:
        out = self.out_channels or self.channels
        refuse_uneven("out_channels" if self.out_channels else "channels", out, "expansion", self.expansion)
        refuse_uneven("groups", out // self.expansion, "groups", self.groups, name="out_channels / expansion")
        return self
