"""What all transforms of pictures are told, and those that give them a size. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from trainwright.data.transforms import TransformConfig

Interpolation = Literal["nearest", "nearest-exact", "bilinear", "bicubic", "lanczos", "box", "hamming"]
"""Names of filters, as Pillow and torchvision have them."""
WarpInterpolation = Literal["nearest", "bilinear", "bicubic"]
"""How what lies between pixels is found where pictures are turned or bent."""
Probability = Annotated[float, Field(ge=0, le=1)]
Level = Annotated[float, Field(ge=0, le=255)]
Fill = Level | Annotated[list[Level], Field(min_length=1)]
"""A value of 0 to 255 for all channels, or one for each."""


def _from_low_to_high(values: list[float]) -> list[float]:
    if values[0] > values[1]:
        raise ValueError(f"it begins at {values[0]:g} and ends at {values[1]:g}; write the lower one first: [{values[1]:g}, {values[0]:g}]")
    return values


Range = Annotated[list[float], Field(min_length=2, max_length=2), AfterValidator(_from_low_to_high)]
"""The least and the greatest of what is drawn."""
PositiveRange = Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=2, max_length=2), AfterValidator(_from_low_to_high)]
FactorRange = Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=2, max_length=2), AfterValidator(_from_low_to_high)]
ShareRange = Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=2, max_length=2), AfterValidator(_from_low_to_high)]
"""Shares above 0, at most 1: the least and the greatest of what is drawn."""
Size = PositiveInt | Annotated[list[PositiveInt], Field(min_length=2, max_length=2)]
"""Height and width, or one number for both."""


class PictureTransformConfig(TransformConfig):
    """What is set for one transform of pictures, whatever it does."""

    on: Literal["picture", "mask"] = "picture"
    """What it is given; a column of masks repeats the transforms of its pictures with `mask`."""
    for_masks: ClassVar[bool] = True
    """Whether it is known what it does to the mask of a picture."""
    has_batches: ClassVar[bool] = False
    """Whether it can be done with whole batches on the device, too."""

    @field_validator("runs_on")
    @classmethod
    def _can_run_there(cls, value: str) -> str:
        if value == "device" and not cls.has_batches:
            raise ValueError(f"{cls.model_fields['type'].default} has no form for whole batches; leave runs_on out, and it runs in workers")
        return value

    @property
    def makes_size(self) -> bool:
        """Whether it makes pictures of another size, so that they are not made of the column's size before."""
        return False


class RandomPictureConfig(PictureTransformConfig):
    """What is set for one transform of pictures that draws."""

    applies_in: Literal["train", "always"] = "train"
    """`train`: training rows alone; `always`: every row, which a prediction does not allow for what draws."""


class SometimesConfig(RandomPictureConfig):
    """What is set for one that leaves some pictures as they are."""

    p: Probability = 0.5
    """How many of the pictures it is done to, 0 to 1."""


class FitOptions(PictureTransformConfig):
    """The whole picture at one size, as timm's evaluation has it."""

    type: str = "fit"
    main: ClassVar[str] = "size"
    still: ClassVar[bool] = True
    size: Size
    """Height and width, or one number for both."""
    resize: Literal["crop", "stretch", "pad"] = "crop"
    """The short side and then the middle (`crop`, timm: center), both sides (`stretch`, squash), or a border (`pad`, border)."""
    crop_pct: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The share of the resized picture's side that is kept, as timm has it: 224 of 256 pixels are 0.875."""
    interpolation: Interpolation = "bilinear"
    """How it is resized, always antialiased."""
    fill: Fill = 0.0
    """The colour of a border, 0 to 255: one number, or one for each channel."""


class StoreOptions(PictureTransformConfig):
    """Pictures made smaller before they are kept, so that pieces are cut of them quickly."""

    type: str = "store"
    main: ClassVar[str] = "size"
    still: ClassVar[bool] = True
    size: PositiveInt
    """The short side; smaller pictures stay as they are."""
    interpolation: Interpolation = "bilinear"
    """How it is resized, always antialiased."""


class ResizeOptions(PictureTransformConfig):
    """The picture at another size: one number is the short side, as torchvision has it."""

    type: str = "resize"
    main: ClassVar[str] = "size"
    still: ClassVar[bool] = True
    size: Size | None = None
    """The short side, both keeping their ratio, or height and width."""
    max_size: PositiveInt | None = None
    """The long side is at most this, whatever becomes of the short one."""
    interpolation: Interpolation = "bilinear"
    """How it is resized."""
    antialias: bool = True
    """Whether pixels are averaged where the picture becomes smaller; without it small things flicker (Pillow always does it)."""

    @property
    def makes_size(self) -> bool:
        return True

    @model_validator(mode="after")
    def _says_a_size(self) -> Self:
        if self.size is None and self.max_size is None:
            raise ValueError("resize has neither size nor max_size; size: 256 makes the short side 256 pixels")
        if isinstance(self.size, list) and self.max_size is not None:
            raise ValueError("max_size goes with one number as size, not with height and width; leave it out")
        if isinstance(self.size, int) and self.max_size is not None and self.max_size <= self.size:
            raise ValueError(f"max_size {self.max_size} is not above the size {self.size}; it limits the long side")
        return self


class PadOptions(PictureTransformConfig):
    """A border around the picture."""

    type: str = "pad"
    main: ClassVar[str] = "padding"
    still: ClassVar[bool] = True
    padding: NonNegativeInt | Annotated[list[NonNegativeInt], Field(min_length=2, max_length=4)]
    """Pixels: on all sides; or [left and right, top and bottom]; or [left, top, right, bottom]."""
    padding_mode: Literal["constant", "edge", "reflect", "symmetric"] = "constant"
    """What is in it: `fill`, the outermost pixel, or the picture mirrored, its outermost pixel once (`reflect`) or twice (`symmetric`)."""
    fill: Fill = 0.0
    """The colour of a constant border, 0 to 255: one number, or one for each channel."""

    @model_validator(mode="after")
    def _names_sides(self) -> Self:
        if isinstance(self.padding, list) and len(self.padding) == 3:
            raise ValueError("padding has three numbers; give one, two ([left and right, top and bottom]) or four")
        return self


class RandomResizedCropOptions(RandomPictureConfig):
    """A piece of random area and shape at a random place, made of one size (Szegedy et al. 2015), as in torchvision and timm."""

    type: str = "random_resized_crop"
    main: ClassVar[str] = "size"
    size: Size | None = None
    """Height and width, or one number for both; default: the size of the column."""
    scale: ShareRange = [0.08, 1.0]
    """The share of the picture's area that the piece has."""
    ratio: PositiveRange = [3 / 4, 4 / 3]
    """Its width over its height, their logarithm drawn uniformly."""
    interpolation: Interpolation | Literal["random"] = "bilinear"
    """How it is resized; `random`: bilinear or bicubic, drawn for each picture, as timm trains."""

    @property
    def makes_size(self) -> bool:
        return True


class RandomZoomOutOptions(SometimesConfig):
    """The picture somewhere on a canvas that is larger (Liu et al. 2016), so that things become small."""

    type: str = "random_zoom_out"
    side_range: PositiveRange = [1.0, 4.0]
    """How many times the sides of the canvas are those of the picture."""
    fill: Fill = 0.0
    """The colour of the canvas, 0 to 255: one number, or one for each channel."""

    @property
    def makes_size(self) -> bool:
        return True


def sides(size: int | Sequence[int]) -> tuple[int, int]:
    """Height and width of a size that may be one number."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])
