"""What transforms of pictures are told. Imports no torch."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from trainwright.data.transforms import TransformConfig

Interpolation = Literal["nearest", "nearest-exact", "bilinear", "bicubic", "lanczos", "box", "hamming"]
"""Names of filters, as Pillow and torchvision have them."""


class PictureTransformConfig(TransformConfig):
    """What is set for one transform of pictures, whatever it does."""

    on: Literal["picture", "mask"] = "picture"
    """What it is given; a column of masks repeats the transforms of its pictures with `mask`."""
    makes_size: ClassVar[bool] = False
    """Whether it gives pictures the size of the column by itself, so that they are not made of that size before."""


class FitOptions(PictureTransformConfig):
    """The whole picture at one size."""

    type: str = "fit"
    main: ClassVar[str] = "size"
    still: ClassVar[bool] = True
    size: Annotated[list[PositiveInt], Field(min_length=2, max_length=2)]
    """Height and width."""
    resize: Literal["crop", "stretch", "pad"] = "crop"
    """The short side and then the middle (`crop`), both sides (`stretch`), or the long side and a border (`pad`)."""
    crop_pct: Annotated[float, Field(gt=0, le=1)] = 1.0
    """With `crop`, the share of the short side that is kept."""
    interpolation: Interpolation = "bilinear"
    """How it is resized."""
    fill: Annotated[int, Field(ge=0, le=255)] = 0
    """The value of a border, 0 to 255."""
    runs_on: Literal["worker"] = "worker"
    """Each picture where it is read."""


class StoreOptions(PictureTransformConfig):
    """Pictures made smaller before they are kept, so that pieces are cut of them quickly."""

    type: str = "store"
    main: ClassVar[str] = "size"
    still: ClassVar[bool] = True
    size: PositiveInt
    """The short side; smaller pictures stay as they are."""
    interpolation: Interpolation = "bilinear"
    """How it is resized."""
    runs_on: Literal["worker"] = "worker"
    """Each picture where it is read."""
