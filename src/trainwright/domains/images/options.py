"""What columns of pictures are told. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveInt, field_validator, model_validator

from trainwright.config.model import ConfigModel, PartConfig, refusal
from trainwright.data.transforms import Transforms, ensure_column_chain
from trainwright.domains.images.reading.options import MAX_PIXELS, Alpha
from trainwright.domains.images.transforms.options import Interpolation
from trainwright.features.options import FileOptions


class ChannelScaleConfig(ConfigModel):
    """By which numbers each channel is normalised."""

    mean: list[float]
    """What is taken away from each channel, of values of 0 to 1."""
    std: list[Annotated[float, Field(gt=0)]]
    """What each channel is divided by, of values of 0 to 1."""

    @model_validator(mode="after")
    def _are_as_many(self) -> Self:
        if len(self.mean) != len(self.std):
            raise ValueError(f"mean has {len(self.mean)} numbers and std {len(self.std)}; give one for each channel")
        return self


class ImageOptions(FileOptions):
    """Pictures, a file for each row, decoded when it is needed: JPEG, PNG, WebP, TIFF, GIF, BMP and what else Pillow reads."""

    type: str = "image"
    size: Literal["auto"] | PositiveInt | Annotated[list[PositiveInt], Field(min_length=2, max_length=2)] = "auto"
    """Height and width that the model is given, or one number for both; `auto`: a power of two near most pictures' own, at most `largest`;
    pictures of one size of at most 64 keep it."""
    largest: Annotated[int, Field(ge=8)] = 224
    """The largest `size` that is chosen; 64 where pictures are made."""
    channels: Literal["auto", 1, 3, 4] = "auto"
    """Gray (1), RGB (3) or RGB with opacity (4); `auto`: 1 where all of a sample of the training rows are gray, else 3."""
    resize: Literal["crop", "stretch", "pad"] = "crop"
    """To `size`: the short side and then the middle (`crop`), both sides (`stretch`), or the long side and a border (`pad`)."""
    crop_pct: Annotated[float, Field(gt=0, le=1)] = 1.0
    """With `crop`, the share of the short side that is kept where pictures are evaluated, as timm has it."""
    interpolation: Interpolation = "bilinear"
    """How pictures are resized; always with antialiasing."""
    alpha: Alpha = "white"
    """What stands behind what is transparent: a colour (`mean`: that of `normalize`, or of ImageNet), or `drop`, the hidden colours.

    `keep` gives a fourth channel.
    """
    exif: bool = True
    """Whether pictures are turned upright as their EXIF data say."""
    frame: Annotated[int, Field(ge=0)] = 0
    """Which picture of a file of several, counted from 0."""
    root: str | None = None
    """The folder at which paths begin; default: that of the table they stand in."""
    value_range: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    """Which numbers are black and white in files of 16 bits, 32 bits or floating numbers; default: 0 and 65535, or 0 and 1 or 255."""
    levels: Literal[8, 16] = 8
    """Bits of a level: `16` keeps what files of 16 bits, 32 bits or floating numbers have beyond 256 levels, in four times the memory.

    Policies such as rand_augment, and transforms of libraries, take 8.
    """
    max_pixels: PositiveInt = MAX_PIXELS
    """Larger pictures cannot be read: small files may be made to fill the memory."""
    normalize: Literal["auto", "imagenet", "inception", "none"] | ChannelScaleConfig = "auto"
    """By which mean and deviation of each channel; `auto`: those of a sample of the training rows, or those that weights were made with."""
    augment: Literal["default", "none"] | Transforms = "default"
    """What is done with pictures in training alone: `default` by their size, or a list of transforms."""
    store: PositiveInt | None = None
    """The short side of pictures as they are kept once they were decoded; default: `size`, or whole where a transform cuts pieces."""

    @field_validator("augment", "transform")
    @classmethod
    def _are_of_pictures(cls, value: Any) -> Any:
        """Transforms that can follow each other; a crop of one number is as high as it is wide."""
        if not isinstance(value, list):
            return value
        refusal(ensure_column_chain)(value)
        return [square(each) for each in value]

    @field_validator("value_range")
    @classmethod
    def _rises(cls, value: list[float] | None) -> list[float] | None:
        if value is not None and value[0] >= value[1]:
            raise ValueError(f"{value[0]:g} is black and {value[1]:g} white; the second number is larger")
        return value

    @property
    def sides(self) -> tuple[int, int] | None:
        """Height and width; None where they are to be found."""
        if self.size == "auto":
            return None
        return (self.size, self.size) if isinstance(self.size, int) else (self.size[0], self.size[1])


def square(transform: PartConfig) -> PartConfig:
    """A crop with both sides, where one number was given: that of arrays cuts their last dimension alone."""
    size = getattr(transform, "size", None)
    if transform.type not in ("random_crop", "center_crop") or not isinstance(size, int):
        return transform
    return transform.model_copy(update={"size": [size, size]})
