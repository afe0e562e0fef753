"""Options of networks for recordings, apart from what they read: shared by their blocks and their encoders. Imports no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, PositiveInt, model_validator

from trainwright.config.model import PartConfig
from trainwright.nn.blocks.refusals import refuse, refuse_even
from trainwright.nn.encoders import Activation


class XResNetFields(PartConfig):
    """A residual network with three convolutions at the start and mean-pool shortcuts (He et al. 2019; Strodthoff et al. 2021)."""

    type: str
    depth: Literal[18, 34, 50, 101] = 50
    """Layers."""
    width: int = Field(default=64, ge=1)
    """Channels of every stage; of 50 and 101 layers four times as many come out."""
    kernel: int = Field(default=5, ge=1)
    """Samples under each filter; odd."""
    stem: list[PositiveInt] = Field(default=[32, 32], min_length=1)
    """Channels of the convolutions before the last of the start, which has `width`; the first has a stride of 2."""
    squeeze: int = Field(default=0, ge=0)
    """Reduction of a squeeze-and-excitation in each block; 0 for none."""
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    """Share of rows whose block is left out in training, rising from 0 to this over the blocks."""

    @model_validator(mode="after")
    def _odd(self) -> Any:
        refuse_even("kernel", self.kernel)
        return self


class ResNetFields(PartConfig):
    """A residual network over time (He et al. 2016a; Wang et al. 2017)."""

    type: str
    depth: Literal[18, 34, 50] | list[PositiveInt] = 18
    """Layers, or the number of blocks of each stage."""
    widths: PositiveInt | list[PositiveInt] = 64
    """Channels of every stage, or of each; of bottlenecks four times as many come out."""
    kernel: PositiveInt | list[PositiveInt] = 5
    """Samples under the filters of every stage, or of each; odd."""
    second_kernel: int | None = Field(default=None, ge=1)
    """Of the second convolution of a block; as `kernel` by default."""
    strides: list[PositiveInt] = [1, 2, 2, 2]
    """Stride of the first block of each stage."""
    stem: int = Field(default=64, ge=1)
    """Channels of the first convolution."""
    stem_kernel: int = Field(default=5, ge=1)
    """Samples under its filters; odd."""
    stem_stride: int = Field(default=2, ge=1)
    """Its stride."""
    stem_pool: bool = True
    """The greatest of three samples, at every second, after it."""
    bottleneck: bool | None = None
    """Blocks of three convolutions, of which the middle one is narrow; by default with 50 layers."""
    squeeze: int = Field(default=0, ge=0)
    """Reduction of a squeeze-and-excitation in each block; 0 for none."""
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    """Share of rows whose block is left out in training, rising from 0 to this over the blocks."""

    @property
    def stages(self) -> int:
        """How many stages there are."""
        return len(self.depth) if isinstance(self.depth, list) else 4

    @model_validator(mode="after")
    def _fits(self) -> Any:
        for name in ("widths", "kernel", "strides"):
            given = getattr(self, name)
            if isinstance(given, list) and len(given) != self.stages:
                raise refuse(name, f"{len(given)} numbers for {self.stages} stages", fix="give one for each stage")
        refuse_even("stem_kernel", self.stem_kernel)
        if self.second_kernel is not None:
            refuse_even("second_kernel", self.second_kernel)
        for each in self.kernel if isinstance(self.kernel, list) else [self.kernel]:
            refuse_even("kernel", each)
        return self


class FCNFields(PartConfig):
    """Three convolutions that keep the length (Wang et al. 2017)."""

    type: str
    widths: list[PositiveInt] = Field(default=[128, 256, 128], min_length=1)
    """Channels of each convolution."""
    kernels: list[PositiveInt] = Field(default=[8, 5, 3], min_length=1)
    """Samples under the filters of each."""

    @model_validator(mode="after")
    def _fits(self) -> Any:
        if len(self.kernels) != len(self.widths):
            raise refuse("kernels", f"{len(self.kernels)} numbers for {len(self.widths)} convolutions", fix="give one for each")
        return self


class InceptionFields(PartConfig):
    """Blocks of convolutions of three lengths side by side, with a shortcut round every third (Fawaz et al. 2020)."""

    type: str
    depth: int = Field(default=6, ge=1)
    """Blocks."""
    filters: int = Field(default=32, ge=1)
    """Filters of each length; a block gives four times as many channels."""
    kernel: int = Field(default=40, ge=4)
    """Samples under the longest filters; the others are a half and a quarter of it, all made odd."""
    bottleneck: int = Field(default=32, ge=0)
    """Channels that a block's input is reduced to; 0 for not at all."""
    residual: bool = True
    """Whether there are shortcuts."""


class ConvNeXtFields(PartConfig):
    """ConvNeXt over time: pieces, then wide convolutions per channel (Liu et al. 2022)."""

    type: str
    depths: list[PositiveInt] = Field(default=[2, 2, 4, 2], min_length=1)
    """Blocks of each stage."""
    widths: list[PositiveInt] = Field(default=[32, 64, 128, 256], min_length=1)
    """Channels of each stage."""
    patch: int = Field(default=4, ge=1)
    """Samples of a piece; each stage after the first halves their number."""
    kernel: int = Field(default=7, ge=1)
    """Positions under each filter; odd."""
    layer_scale: float = Field(default=1e-6, ge=0)
    """A learned factor per channel before each sum starts here; 0 for no such factor."""
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    """Share of rows whose block is left out in training, rising from 0 to this over the blocks."""

    @model_validator(mode="after")
    def _fits(self) -> Any:
        refuse_even("kernel", self.kernel)
        if len(self.depths) != len(self.widths):
            raise refuse("widths", f"{len(self.widths)} numbers for {len(self.depths)} stages", fix="give one for each stage")
        return self


class TCNFields(PartConfig):
    """Dilated causal convolutions, each reaching twice as far back as the one before (Bai et al. 2018; van den Oord et al. 2016)."""

    type: str
    width: int = Field(default=64, ge=1)
    """Channels."""
    depth: int = Field(default=8, ge=1)
    """Blocks; the dilation doubles with each, so that 8 of kernel 5 see 2,041 positions."""
    kernel: int = Field(default=5, ge=2)
    """Positions under each filter."""
    stride: int = Field(default=2, ge=1)
    """Of a first convolution before the blocks, which makes them see that many times as far; 1 for none."""
    activation: Activation = "relu"
    """Function after each convolution."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of channels zeroed in training."""


class PatchTransformerFields(PartConfig):
    """Pieces of the recording as tokens of a transformer (Nie et al. 2023; Dosovitskiy et al. 2021)."""

    type: str
    patch: int = Field(default=16, ge=1)
    """Samples of a piece."""
    stride: int = Field(default=0, ge=0)
    """From one piece to the next; 0 for the length of a piece."""
    width: int = Field(default=128, ge=1)
    """Length of a token; a multiple of `heads`."""
    depth: int = Field(default=4, ge=1)
    """Blocks."""
    heads: int = Field(default=4, ge=1)
    """Attention heads."""
    expansion: float = Field(default=4.0, gt=0)
    """Inner width of the feed-forward layers, in multiples of `width`."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of activations zeroed in training."""
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    """Share of rows whose block is left out in training, rising from 0 to this over the blocks."""

    @model_validator(mode="after")
    def _fits(self) -> Any:
        if self.width % self.heads:
            raise refuse("width", f"{self.width} is no multiple of heads ({self.heads})", fix=f"use {self.heads * 32}")
        if self.stride > self.patch:
            raise refuse("stride", "it is longer than the patch", why="what lies between would never be seen", fix=f"at most {self.patch}")
        return self


class StateSpaceFields(PartConfig):
    """Selective state spaces in both directions over pieces of the recording (Gu and Dao 2023)."""

    type: str
    patch: int = Field(default=8, ge=1)
    """Samples of a piece, each a token."""
    width: int = Field(default=64, ge=1)
    """Length of a token."""
    depth: int = Field(default=4, ge=1)
    """Blocks."""
    state: int = Field(default=16, ge=1)
    """Numbers that each channel carries from token to token."""
    bidirectional: bool = True
    """Whether every second block reads backwards."""
