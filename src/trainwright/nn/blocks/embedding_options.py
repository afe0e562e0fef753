"""Options of what makes tokens of maps. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, PositiveInt, model_validator

from trainwright.config.model import PartConfig
from trainwright.nn.blocks.refusals import refuse
from trainwright.nn.blocks.residual_options import Dims
from trainwright.nn.encoders import Activation


def one_for_each(given: int | Sequence[int], count: int) -> tuple[int, ...]:
    """One number for all, or one for each."""
    return (given,) * count if isinstance(given, int) else tuple(given)


class PatchEmbeddingOptions(PartConfig):
    """Pieces of a map, each as one token by one linear layer (Dosovitskiy et al. 2021)."""

    type: str = "patch_embedding"
    channels: int = Field(ge=1)
    """Channels of the map."""
    width: int = Field(ge=1)
    """Length of a token."""
    patch: PositiveInt | list[PositiveInt]
    """Side of a piece; several numbers are one for each dimension."""
    dims: Dims = 2
    """Dimensions of a map: 1 for signals, 2 for images, 3 for volumes."""
    stride: PositiveInt | list[PositiveInt] | None = None
    """From one piece to the next; its side by default. Smaller ones overlap (Gong et al. 2021)."""
    pad: bool = False
    """Maps that pieces do not fill are continued with zeros; else they are refused, or, where pieces overlap, the rest is left out."""
    flatten: bool = True
    """Tokens in a row, `[b, tokens, width]`; else a grid of them, `[b, *space, width]`."""

    @model_validator(mode="after")
    def _fits(self) -> Any:
        for name in ("patch", "stride"):
            given = getattr(self, name)
            if isinstance(given, list) and len(given) != self.dims:
                raise refuse(name, f"{len(given)} numbers for {self.dims} dimensions", fix=f"one number, or {self.dims}")
        sides, steps = (one_for_each(each, self.dims) for each in (self.patch, self.stride or self.patch))
        if any(step > side for side, step in zip(sides, steps, strict=True)):
            raise refuse("stride", "it is longer than the patch", why="what lies between would never be seen", fix=f"at most {self.patch}")
        return self


class StridedEmbeddingOptions(PartConfig):
    """Convolutions with strides, one after the other, then one to the length of a token (Xiao et al. 2021; Baevski et al. 2020)."""

    type: str = "strided_embedding"
    channels: int = Field(ge=1)
    """Channels of the map."""
    width: int = Field(ge=1)
    """Length of a token."""
    widths: list[PositiveInt] = Field(min_length=1)
    """Channels after each convolution."""
    kernels: PositiveInt | list[PositiveInt] = 3
    """Side of the filters, one for all or one for each."""
    strides: PositiveInt | list[PositiveInt] = 2
    """Step of the convolutions, one for all or one for each."""
    dims: Dims = 2
    """Dimensions of a map: 1 for signals, 2 for images, 3 for volumes."""
    norm: Literal["batch", "channel", "none"] = "batch"
    """Norm after each convolution: over the batch, or over the channels of a position."""
    activation: Activation = "relu"
    """Function after each norm."""
    flatten: bool = True
    """Tokens in a row, `[b, tokens, width]`; else a grid of them, `[b, *space, width]`."""

    @model_validator(mode="after")
    def _fits(self) -> Any:
        count = len(self.widths)
        for name in ("kernels", "strides"):
            given = getattr(self, name)
            if isinstance(given, list) and len(given) != count:
                raise refuse(name, f"{len(given)} numbers for {count} widths", fix=f"one number, or {count}")
        return self
