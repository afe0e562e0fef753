"""Options of U-Nets and of what they are made of. Imports no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from trainwright.config.model import PartConfig
from trainwright.nn.blocks.refusals import refuse, refuse_even, refuse_uneven
from trainwright.nn.blocks.residual_options import Dims

Conditioning = Literal["scale_shift", "add"]


class UNetBlockOptions(PartConfig):
    """Group norm, SiLU and a convolution, twice, and a shortcut; an embedding acts on the second norm (Dhariwal & Nichol 2021)."""

    type: str = "unet_block"
    channels: int = Field(ge=1)
    """Channels of the input."""
    out_channels: int | None = Field(default=None, ge=1)
    """Channels of the output; as many as the input by default."""
    embedding: int = Field(default=0, ge=0)
    """Length of the vector per row that is given as second input; 0 for none."""
    dims: Dims = 2
    """Dimensions of a map: 1 for signals, 2 for images, 3 for volumes."""
    kernel: int = Field(default=3, ge=1)
    """Side of the filters; odd."""
    conditioning: Conditioning = "scale_shift"
    """The embedding gives a scale and a shift after the second norm, or is added before it (Ho et al. 2020)."""
    groups: int = Field(default=32, ge=1)
    """Groups of the norms; they divide the channels."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of activations zeroed in training, before the second convolution."""

    @model_validator(mode="after")
    def _fits(self) -> Any:
        refuse_even("kernel", self.kernel)
        refuse_uneven("channels", self.channels, "groups", self.groups)
        refuse_uneven("out_channels", self.out_channels or self.channels, "groups", self.groups)
        return self


class MapAttentionOptions(PartConfig):
    """Attention of all positions of a map, to each other or to tokens, behind a group norm and with a shortcut (Ho et al. 2020)."""

    type: str = "map_attention"
    channels: int = Field(ge=1)
    """Channels of the map."""
    heads: int = Field(default=4, ge=1)
    """Heads; they divide the channels."""
    groups: int = Field(default=32, ge=1)
    """Groups of the norm; they divide the channels."""
    context_width: int = Field(default=0, ge=0)
    """Numbers of a token of the `context` that is attended to; 0: positions attend to each other."""

    @model_validator(mode="after")
    def _fits(self) -> Any:
        refuse_uneven("channels", self.channels, "heads", self.heads)
        refuse_uneven("channels", self.channels, "groups", self.groups)
        return self


class UNetOptions(PartConfig):
    """Levels of residual blocks, each of half the size, and back up with skips (Ronneberger et al. 2015; Ho et al. 2020)."""

    type: str = "unet"
    channels: int = Field(ge=1)
    """Channels of the input."""
    out_channels: int | None = Field(default=None, ge=1)
    """Channels of the output, such as classes of a mask; as many as the input by default."""
    dims: Dims = 2
    """Dimensions of a map: 1 for signals, 2 for images, 3 for volumes."""
    width: int = Field(default=64, ge=1)
    """Channels of the first level."""
    multipliers: list[int] = Field(default=[1, 2, 4], min_length=1)
    """Channels of each level, in multiples of `width`; as many levels as there are numbers."""
    depth: int = Field(default=2, ge=1)
    """Residual blocks of a level on the way down; one more on the way up."""
    attention: list[int] = []
    """Levels with attention after each block: 0 is the first, of full size."""
    middle_attention: bool = True
    """Attention between the two blocks at the bottom."""
    heads: int = Field(default=4, ge=1)
    """Heads of attention; they divide the channels of its levels."""
    time: Literal["none", "sinusoidal", "fourier"] = "none"
    """A second input, one number per row: a step (`sinusoidal`, Ho et al. 2020) or a level of noise (`fourier`, Song et al. 2021)."""
    condition: int = Field(default=0, ge=0)
    """Length of a vector per row that is given as third input, after the time, or as second without one; 0 for none."""
    conditioning: Conditioning = "scale_shift"
    """What time and vector do in each block: a scale and a shift after its second norm, or they are added before it."""
    groups: int = Field(default=32, ge=1)
    """Groups of the norms; they divide the channels of every level."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of activations zeroed in training, before the second convolution of each block."""
    context_width: int = Field(default=0, ge=0)
    """Numbers of a token of the `context`, such as a text, that is attended to after each self-attention; 0 for none."""

    @model_validator(mode="after")
    def _fits(self) -> Any:
        levels = len(self.multipliers)
        if any(each < 1 for each in self.multipliers):
            raise refuse("multipliers", f"{min(self.multipliers)} is below 1", fix="whole numbers of at least 1, one per level")
        wrong = next((each for each in self.attention if not 0 <= each < levels), None)
        if wrong is not None:
            raise refuse("attention", f"there is no level {wrong}", why=f"there are {levels}: 0 to {levels - 1}", fix="name some of these")
        refuse_uneven("groups", self.width, "groups", self.groups, name="width")
        for level in {*self.attention, *([levels - 1] if self.middle_attention else [])}:
            refuse_uneven("heads", self.width * self.multipliers[level], "heads", self.heads, name=f"channels of level {level}")
        return self
