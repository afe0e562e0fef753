"""Options of attention over grids of tokens. Imports no torch."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from trainwright.config.model import PartConfig
from trainwright.nn.blocks.attention_options import FeedForwardActivation, HeadOptions, refuse_heads
from trainwright.nn.blocks.refusals import refuse
from trainwright.nn.blocks.residual_options import Dims


class AxialAttentionOptions(HeadOptions):
    """Attention along one axis of a grid (Ho et al. 2019)."""

    type: str = "axial_attention"
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of attention weights zeroed in training."""
    axis: int = Field(ge=0, le=2)
    """The axis, 0 the first after the rows."""


class AxialBlockOptions(HeadOptions):
    """Attention along each axis of a grid in turn, then a feed-forward layer, all pre-norm (Ho et al. 2019)."""

    type: str = "axial_block"
    dims: Dims = 2
    """Axes of the grid."""
    expansion: float = Field(default=4.0, gt=0)
    """Numbers inside the feed-forward layer, in multiples of `width`."""
    activation: FeedForwardActivation = "gelu"
    """Function of the feed-forward layer."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of attention weights zeroed in training."""
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    """Share of rows to which a layer adds nothing in training."""


class _WindowOptions(PartConfig):
    """What windows have in common."""

    type: str
    width: int = Field(ge=1)
    """Numbers of a token, of the input and the output."""
    heads: int = Field(ge=1)
    """Attention heads; the width is a multiple."""
    window: list[int] | int
    """Side of a window, or one per axis."""
    dims: Dims = 2
    """Axes of the grid."""
    shift: bool = False
    """Windows begin half a side later, so that they join what others divide."""

    @model_validator(mode="after")
    def _fits(self) -> Any:
        refuse_heads(self.width, self.heads)
        sides = [self.window] * self.dims if isinstance(self.window, int) else self.window
        if len(sides) != self.dims or any(side < 1 for side in sides):
            fix = "use one side for all, for example window: 7, or one per axis"
            raise refuse("window", f"{self.window} is no window of {self.dims} axes", fix=fix)
        return self


class WindowAttentionOptions(_WindowOptions):
    """Attention within windows of a grid, with a learned score per head and distance (Liu et al. 2021, Swin)."""

    type: str = "window_attention"


class SwinBlockOptions(_WindowOptions):
    """Attention within windows and a feed-forward layer, pre-norm; blocks without and with `shift` take turns (Liu et al. 2021)."""

    type: str = "swin_block"
    expansion: float = Field(default=4.0, gt=0)
    """Numbers inside the feed-forward layer, in multiples of `width`."""
    activation: FeedForwardActivation = "gelu"
    """Function of the feed-forward layer."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share zeroed inside the feed-forward layer in training."""
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    """Share of rows to which attention, or the feed-forward layer, adds nothing in training."""
    eps: float = Field(default=1e-5, gt=0)
    """Added to the variance by the norms."""


class PatchMergingOptions(PartConfig):
    """A grid of half the sides, whose tokens are made of 2, 4 or 8 neighbours (Liu et al. 2021, Swin)."""

    type: str = "patch_merging"
    width: int = Field(ge=1)
    """Numbers of a token of the input."""
    dims: Dims = 2
    """Axes of the grid."""
    out_width: int | None = Field(default=None, ge=1)
    """Numbers of a token of the output; twice as many by default."""
    eps: float = Field(default=1e-5, gt=0)
    """Added to the variance by the norm."""
