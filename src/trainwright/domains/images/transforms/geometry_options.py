"""What is told where pixels of pictures move at random. Imports no torch."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from trainwright.domains.images.transforms.options import (
    Fill,
    PositiveRange,
    Probability,
    RandomPictureConfig,
    Range,
    SometimesConfig,
    WarpInterpolation,
)

Degrees = Annotated[float, Field(ge=0, le=360)] | Range


class RandomHorizontalFlipOptions(SometimesConfig):
    """Left and right exchanged, in some of the pictures."""

    type: str = "random_horizontal_flip"
    main: ClassVar[str] = "p"
    has_batches: ClassVar[bool] = True


class RandomVerticalFlipOptions(SometimesConfig):
    """Top and bottom exchanged, in some of the pictures."""

    type: str = "random_vertical_flip"
    main: ClassVar[str] = "p"
    has_batches: ClassVar[bool] = True


class RandomRotate90Options(SometimesConfig):
    """None to three quarter turns, in some of the pictures; pictures that are not square get their sides exchanged."""

    type: str = "random_rotate90"
    main: ClassVar[str] = "p"
    p: Probability = 1.0
    """How many of the pictures are turned by none, one, two or three quarters, all alike likely."""


class WarpConfig(RandomPictureConfig):
    """What is set where pictures are turned or bent."""

    interpolation: WarpInterpolation = "bilinear"
    """How what lies between pixels is found (torchvision's default is nearest); masks take the nearest."""
    fill: Fill | Literal["edge"] = 0.0
    """The colour of what comes into view, 0 to 255: one number, or one for each channel; or the outermost pixel, `edge`."""


class RandomRotationOptions(WarpConfig):
    """Turned about its middle by a random angle."""

    type: str = "random_rotation"
    main: ClassVar[str] = "degrees"
    degrees: Degrees
    """Of one number, from minus it to it; else the least and the greatest."""
    expand: bool = False
    """Whether pictures grow so that no corner is cut off."""
    has_batches: ClassVar[bool] = True

    @property
    def makes_size(self) -> bool:
        return self.expand


class RandomRotateOptions(WarpConfig):
    """Turned about its middle by a random angle, as Ludwig's augmentation of this name."""

    type: str = "random_rotate"
    main: ClassVar[str] = "degree"
    degree: Annotated[float, Field(ge=0, le=360)] = 15
    """From minus this many degrees to as many."""
    has_batches: ClassVar[bool] = True


class RandomAffineOptions(WarpConfig):
    """Turned, moved, scaled and sheared at once, by random numbers."""

    type: str = "random_affine"
    main: ClassVar[str] = "degrees"
    degrees: Degrees = 0.0
    """Of one number, from minus it to it; else the least and the greatest."""
    translate: Annotated[list[Probability], Field(min_length=2, max_length=2)] | None = None
    """At most so much of [width, height] to either side."""
    scale: PositiveRange | None = None
    """How many times as large: the least and the greatest."""
    shear: float | Annotated[list[float], Field(min_length=2, max_length=4)] | None = None
    """Degrees along x: one number from minus it to it, [least, greatest]; and along y: [x least, x greatest, y least, y greatest]."""
    has_batches: ClassVar[bool] = True


class RandomPerspectiveOptions(WarpConfig, SometimesConfig):
    """Seen from another side: each corner moves towards the middle at random."""

    type: str = "random_perspective"
    main: ClassVar[str] = "distortion_scale"
    distortion_scale: Probability = 0.5
    """How far corners move at most, as a share of half the side."""


class ElasticTransformOptions(WarpConfig):
    """Bent as if printed on rubber (Simard et al. 2003): a smooth field of random moves."""

    type: str = "elastic_transform"
    main: ClassVar[str] = "alpha"
    alpha: NonNegativeFloat = 50.0
    """How far pixels move: the field before it is smoothed is of −alpha/2 to alpha/2 pixels, as in torchvision."""
    sigma: PositiveFloat = 5.0
    """How smooth it is: the deviation of the bell curve, in pixels."""
    interpolation: Literal["nearest", "bilinear"] = "bilinear"
    """How what lies between pixels is found; masks take the nearest."""
