"""Options of networks for pictures, apart from what they read: shared by their blocks and their encoders. Imports no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, PositiveInt, model_validator

from trainwright.config.model import PartConfig
from trainwright.nn.blocks.refusals import refuse, refuse_even, refuse_uneven
from trainwright.nn.encoders import Activation

EXPANSION = 4
"""Channels after a bottleneck by those within (He et al. 2016a)."""
RESNETS: dict[int, tuple[int, ...]] = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
"""Layers → blocks of each stage (He et al. 2016a, table 1)."""
CONVNEXTS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "atto": ((2, 2, 6, 2), (40, 80, 160, 320)),
    "femto": ((2, 2, 6, 2), (48, 96, 192, 384)),
    "pico": ((2, 2, 6, 2), (64, 128, 256, 512)),
    "nano": ((2, 2, 8, 2), (80, 160, 320, 640)),
    "tiny": ((3, 3, 9, 3), (96, 192, 384, 768)),
    "small": ((3, 3, 27, 3), (96, 192, 384, 768)),
    "base": ((3, 3, 27, 3), (128, 256, 512, 1024)),
    "large": ((3, 3, 27, 3), (192, 384, 768, 1536)),
}
"""Size → blocks and channels of each stage (Liu et al. 2022, section 3; atto to nano: Woo et al. 2023, table 12)."""
VITS: dict[str, tuple[int, int, int]] = {"tiny": (192, 12, 3), "small": (384, 12, 6), "base": (768, 12, 12), "large": (1024, 24, 16)}
"""Size → width, blocks and heads (Dosovitskiy et al. 2021, table 1; tiny and small: Touvron et al. 2021, table 1)."""


class SmallCNNFields(PartConfig):
    """Stages of convolutions with batch norm, each of half the size of the one before."""

    type: str
    widths: list[PositiveInt] = Field(default=[32, 64, 128], min_length=1)
    """Channels of each stage."""
    convolutions: int = Field(default=2, ge=1)
    """Convolutions of each stage."""
    kernel: int = Field(default=3, ge=1)
    """Side of the filters; odd."""
    stem: int = Field(default=0, ge=0)
    """Channels of a convolution with stride 2 before the first stage; 0 for none."""
    activation: Activation = "relu"
    """Function after each norm."""

    @model_validator(mode="after")
    def _odd(self) -> Any:
        refuse_even("kernel", self.kernel)
        return self


class ResNetFields(PartConfig):
    """A residual network (He et al. 2016a); with 1,000 classes 18 layers have 11,689,512 parameters, 50 have 25,557,032."""

    type: str
    depth: Literal[18, 34, 50, 101] | list[PositiveInt] = 18
    """Layers, or the number of blocks of each stage."""
    widths: list[PositiveInt] | None = None
    """Channels of each stage; 64, 128, 256, 512, … by default. Of bottlenecks four times as many come out."""
    bottleneck: bool | None = None
    """Blocks of three convolutions, of which the middle one is narrow; by default with 50 and 101 layers."""
    shortcut: Literal["conv", "pool"] = "conv"
    """Where shapes change: a 1×1 convolution with the stride; or a mean over it, then that convolution (He et al. 2019, ResNet-D)."""
    squeeze: int = Field(default=0, ge=0)
    """Reduction of a squeeze-and-excitation in each block; 0 for none."""
    zero_last: bool = True
    """The scale of the last norm of each block starts at 0 (Goyal et al. 2017)."""
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    """Share of rows whose block is left out in training, rising from 0 to this over the blocks."""

    @property
    def blocks(self) -> tuple[int, ...]:
        """How many blocks each stage has."""
        return RESNETS[self.depth] if isinstance(self.depth, int) else tuple(self.depth)

    @model_validator(mode="after")
    def _one_width_each(self) -> Any:
        if not self.blocks:
            raise refuse("depth", "there is no stage", fix="give the number of blocks of each, such as [2, 2, 2]")
        if self.widths is not None and len(self.widths) != len(self.blocks):
            raise refuse("widths", f"{len(self.widths)} numbers for {len(self.blocks)} stages", fix="give one for each stage")
        return self


class ConvNeXtFields(PartConfig):
    """ConvNeXt (Liu et al. 2022); with 1,000 classes the tiny one has 28,589,128 parameters."""

    type: str
    variant: Literal["atto", "femto", "pico", "nano", "tiny", "small", "base", "large"] = "atto"
    """Blocks and channels of each stage, as published."""
    depths: list[PositiveInt] | None = None
    """Blocks of each stage, in place of the variant's."""
    widths: list[PositiveInt] | None = None
    """Channels of each stage, in place of the variant's."""
    patch: int = Field(default=4, ge=1)
    """Side of the pieces that the first convolution makes; 1 or 2 for small pictures."""
    kernel: int = Field(default=7, ge=1)
    """Side of the filters; odd."""
    layer_scale: float = Field(default=1e-6, ge=0)
    """A learned factor per channel before each sum starts here; 0 for no such factor, as is usual with `grn`."""
    grn: bool = False
    """Global response norm in each block, as in version 2 (Woo et al. 2023)."""
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    """Share of rows whose block is left out in training, rising from 0 to this over the blocks."""

    @property
    def plan(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Blocks and channels of each stage."""
        depths, widths = CONVNEXTS[self.variant]
        return tuple(self.depths or depths), tuple(self.widths or widths)

    @model_validator(mode="after")
    def _fits(self) -> Any:
        refuse_even("kernel", self.kernel)
        depths, widths = self.plan
        if len(depths) != len(widths):
            wrong = "widths" if self.widths else "depths"
            raise refuse(wrong, f"{len(depths)} depths and {len(widths)} widths", fix="give one of each for every stage")
        return self


class ViTFields(PartConfig):
    """A vision transformer (Dosovitskiy et al. 2021); the base one with 1,000 classes and pieces of 16 at 224 has 86,567,656 parameters."""

    type: str
    variant: Literal["tiny", "small", "base", "large"] = "tiny"
    """Width, blocks and heads, as published."""
    patch: int = Field(default=16, ge=1)
    """Side of the pieces that are tokens; the size of the pictures is a multiple of it."""
    width: int | None = Field(default=None, ge=1)
    """Length of a token, in place of the variant's."""
    depth: int | None = Field(default=None, ge=1)
    """Blocks, in place of the variant's."""
    heads: int | None = Field(default=None, ge=1)
    """Heads, in place of the variant's."""
    class_token: bool = True
    """A learned token before those of the pieces."""
    layer_scale: float = Field(default=0.0, ge=0)
    """A learned factor per channel before each sum starts here (Touvron et al. 2021, CaiT); 0 for no such factor."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of activations zeroed in training, after positions, feed-forward and attention."""
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    """Share of rows whose block is left out in training, rising from 0 to this over the blocks."""

    @property
    def plan(self) -> tuple[int, int, int]:
        """Width, blocks and heads."""
        width, depth, heads = VITS[self.variant]
        return self.width or width, self.depth or depth, self.heads or heads

    @model_validator(mode="after")
    def _heads_fit(self) -> Any:
        width, _, heads = self.plan
        refuse_uneven("heads" if self.heads else "width", width, "heads", heads, name="width")
        return self
