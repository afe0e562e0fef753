"""How pictures are decoded. Imports neither torch nor Pillow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MAX_PIXELS = 89_478_485
"""Pixels above which a picture is refused: Pillow's, a quarter of a GiB of RGB."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of each channel of ImageNet, of values of 0 to 1."""
Alpha = Literal["white", "black", "mean", "drop", "keep"]
Channels = Literal[1, 3, 4]


@dataclass(frozen=True)
class Decoding:
    """From the content of a file to uint8 `(channels, height, width)`."""

    channels: Channels | None = None
    """1 gray, 3 RGB, 4 RGB and alpha; None: 1 where the file has one, else 3."""
    alpha: Alpha = "white"
    """What is seen through transparent pixels: a colour, their hidden one (`drop`), or a fourth channel (`keep`)."""
    mean: tuple[int, int, int] = (124, 116, 104)
    """The colour of `alpha: mean`, 0 to 255."""
    exif: bool = True
    """Whether pictures are turned as their orientation says."""
    frame: int = 0
    """Which frame or page, from 0."""
    value_range: tuple[float, float] | None = None
    """Of floating and 32-bit numbers those that are black and white; None: 0 to 1, 255 or 65535, whichever the values lie in."""
    levels: Literal["uint8", "float32"] = "uint8"
    """`float32`: what is finer than 256 levels is kept, in 0 to 255."""
    repairs: bool = False
    """Whether of a damaged picture what can be decoded is given, the rest gray."""
    max_pixels: int = MAX_PIXELS
    """Pixels above which a picture is refused."""
    least: tuple[int, int] | None = None
    """Height and width below which no JPEG is decoded that is much larger: it is decoded at 1/2, 1/4 or 1/8; None: always whole."""
