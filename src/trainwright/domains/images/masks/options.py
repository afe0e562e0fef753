"""What columns of masks and their decoder are told. Imports no torch."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from trainwright.config.model import PartConfig
from trainwright.features.options import ClassWeights, FileOptions
from trainwright.nn.encoders import Activation

Level = Annotated[int, Field(ge=0, le=65535)]
Colour = Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(min_length=3, max_length=3)]


class MaskOptions(FileOptions):
    """Files with the class of every pixel of a picture: PNG with a palette or in gray, in colours with `palette`, or `.npy`."""

    type: str = "mask"
    missing: Literal["auto", "error", "drop"] = "auto"
    """A picture without a mask cannot be learnt from: `auto` and `drop` leave its row out, and say how many."""
    unreadable: Literal["error", "skip"] = "error"
    """Files that cannot be read: stop with an `error`, or `skip` their rows."""
    palette: dict[str, Level | Colour] | None = None
    """Classes in order, each with the value (0, 255) or the colour ([255, 0, 0]) that it has in the files."""
    ignore_index: Level | None = None
    """The value of pixels that count neither in the loss nor in metrics; default: 255, unless that is a class."""
    class_weights: ClassWeights = "none"
    """`auto` weighs classes by the inverse of their share of the pixels; or weights by class name, or in class order."""
    scale: Literal["none"] = "none"
    """Classes are not scaled."""

    one_scale: ClassVar[bool] = True

    @field_validator("palette")
    @classmethod
    def _values_differ(cls, given: dict[str, Level | Colour] | None) -> dict[str, Level | Colour] | None:
        """Refuses a single class, two classes of one value, and values beside colours."""
        if given is None:
            return None
        values = [tuple(each) if isinstance(each, list) else each for each in given.values()]
        if len(values) < 2:
            raise ValueError("palette has one class; name all there are, with the background: {background: [0, 0, 0], cat: [255, 0, 0]}")
        if len({isinstance(each, tuple) for each in values}) > 1:
            raise ValueError("palette has values beside colours; give every class a number, or every class three")
        twice = [name for name, each in zip(given, values, strict=True) if values.count(each) > 1]
        if twice:
            raise ValueError(f"palette gives {' and '.join(twice)} the same value; a pixel has one class")
        return given


class UNetDecoderOptions(PartConfig):
    """The way up of a U-Net (Ronneberger et al. 2015): maps of an encoder, from the smallest to the largest, joined one after the other."""

    type: str = "unet"
    reads_maps: ClassVar[bool] = True

    input: str = ""
    """The column of pictures whose maps are read; default: the only one."""
    width: int = Field(default=0, ge=0)
    """Channels at the largest map, doubled at each smaller one; 0: as many as each map has, at most 256."""
    depth: int = Field(default=2, ge=1)
    """Convolutions at each scale."""
    activation: Activation = "relu"
    """Function after each convolution."""
    upsample: Literal["bilinear", "nearest"] = "bilinear"
    """How a map becomes as large as the next."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of channels zeroed in training before the last layer."""
