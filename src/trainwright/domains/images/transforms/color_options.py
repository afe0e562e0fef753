"""What is told where colours of pictures change. Imports no torch."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from trainwright.domains.images.transforms.options import (
    FactorRange,
    PictureTransformConfig,
    PositiveRange,
    Probability,
    RandomPictureConfig,
    Range,
    SometimesConfig,
)

Strength = NonNegativeFloat | FactorRange


def _odd(size: int) -> int:
    if size % 2 == 0:
        raise ValueError(f"a kernel of {size} pixels has no middle; take {size - 1} or {size + 1}")
    return size


def _in_half_circle(values: list[float]) -> list[float]:
    if values[0] < -0.5 or values[1] > 0.5:
        raise ValueError(f"hues are turned by -0.5 to 0.5 of the circle of colours, not by {values[0]:g} to {values[1]:g}")
    return values


KernelSize = Annotated[PositiveInt, AfterValidator(_odd)]


class ColorJitterOptions(RandomPictureConfig):
    """Brightness, contrast, saturation and hue by random numbers, in random order."""

    type: str = "color_jitter"
    main: ClassVar[str] = "brightness"
    brightness: Strength = 0.0
    """Of one number v, the factor is drawn from max(0, 1 − v) to 1 + v; else from the least to the greatest."""
    contrast: Strength = 0.0
    """The same for contrast."""
    saturation: Strength = 0.0
    """The same for saturation."""
    hue: Annotated[float, Field(ge=0, le=0.5)] | Annotated[Range, AfterValidator(_in_half_circle)] = 0.0
    """Of one number v, hues are turned by −v to v of the circle of colours; else from the least to the greatest."""
    p: Probability = 1.0
    """How many of the pictures it is done to, 0 to 1."""
    has_batches: ClassVar[bool] = True


class FactorConfig(SometimesConfig):
    """What is set for one that draws a factor between two."""

    min: NonNegativeFloat = 0.5
    """The least factor."""
    max: NonNegativeFloat = 2.0
    """The greatest factor."""
    p: Probability = 1.0
    """How many of the pictures it is done to, 0 to 1."""
    has_batches: ClassVar[bool] = True

    @model_validator(mode="after")
    def _goes_up(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}; exchange them")
        return self


class RandomBrightnessOptions(FactorConfig):
    """Darker or brighter, as Ludwig's augmentation of this name."""

    type: str = "random_brightness"


class RandomContrastOptions(FactorConfig):
    """Less or more contrast, as Ludwig's augmentation of this name."""

    type: str = "random_contrast"


class GrayscaleOptions(PictureTransformConfig):
    """Every picture in gray."""

    type: str = "grayscale"
    main: ClassVar[str] = "channels"
    still: ClassVar[bool] = True
    channels: Literal[1, 3] = 3
    """One channel, or three alike."""


class RandomGrayscaleOptions(SometimesConfig):
    """Some pictures in gray, in as many channels as before."""

    type: str = "random_grayscale"
    main: ClassVar[str] = "p"
    p: Probability = 0.1
    """How many of the pictures it is done to, 0 to 1."""
    has_batches: ClassVar[bool] = True


class RandomInvertOptions(SometimesConfig):
    """Some pictures as negatives."""

    type: str = "random_invert"
    main: ClassVar[str] = "p"


class RandomPosterizeOptions(SometimesConfig):
    """Some pictures in few levels of each colour."""

    type: str = "random_posterize"
    main: ClassVar[str] = "bits"
    bits: Annotated[int, Field(ge=0, le=8)] = 4
    """How many of 8 bits are kept; 0 is black."""


class RandomSolarizeOptions(SometimesConfig):
    """Numbers from a threshold on inverted, in some pictures."""

    type: str = "random_solarize"
    main: ClassVar[str] = "threshold"
    threshold: Annotated[float, Field(ge=0, le=256)] = 128
    """0 to 256, of values of 0 to 255: what is inverted begins there."""


class RandomAdjustSharpnessOptions(SometimesConfig):
    """Some pictures sharper or smoother."""

    type: str = "random_adjust_sharpness"
    main: ClassVar[str] = "sharpness_factor"
    sharpness_factor: NonNegativeFloat = 2.0
    """0 is smoothed, 1 the picture, 2 sharper."""


class RandomAutocontrastOptions(SometimesConfig):
    """The darkest made black and the brightest white, channel by channel, in some pictures."""

    type: str = "random_autocontrast"
    main: ClassVar[str] = "p"


class RandomEqualizeOptions(SometimesConfig):
    """The 256 levels of each channel made equally frequent, in some pictures."""

    type: str = "random_equalize"
    main: ClassVar[str] = "p"


class GaussianBlurOptions(SometimesConfig):
    """Neighbours mixed by a bell curve of random width."""

    type: str = "gaussian_blur"
    main: ClassVar[str] = "kernel_size"
    kernel_size: KernelSize = 3
    """Pixels, an odd number."""
    sigma: PositiveFloat | PositiveRange = [0.1, 2.0]
    """The deviation in pixels: a number, or the least and the greatest."""
    p: Probability = 1.0
    """How many of the pictures it is done to, 0 to 1."""


class RandomBlurOptions(SometimesConfig):
    """Neighbours mixed by a bell curve, as Ludwig's augmentation of this name."""

    type: str = "random_blur"
    main: ClassVar[str] = "kernel_size"
    kernel_size: KernelSize = 3
    """Pixels, an odd number."""
    sigma: PositiveFloat | PositiveRange = [0.1, 2.0]
    """The deviation in pixels: a number, or the least and the greatest."""
    p: Probability = 1.0
    """How many of the pictures it is done to, 0 to 1."""


class GaussianNoiseOptions(SometimesConfig):
    """Independent noise on every number."""

    type: str = "gaussian_noise"
    main: ClassVar[str] = "sigma"
    sigma: PositiveFloat = 0.1
    """Its deviation, where white is 1."""
    p: Probability = 1.0
    """How many of the pictures it is done to, 0 to 1."""


class RandomChannelPermutationOptions(SometimesConfig):
    """The channels in random order."""

    type: str = "random_channel_permutation"
    main: ClassVar[str] = "p"
    p: Probability = 1.0
    """How many of the pictures it is done to, 0 to 1."""


class RandomPhotometricDistortOptions(SometimesConfig):
    """Brightness, contrast, saturation, hue and the order of the channels, each in some pictures (Liu et al. 2016)."""

    type: str = "random_photometric_distort"
    main: ClassVar[str] = "p"
    brightness: FactorRange = [0.875, 1.125]
    """The least and the greatest factor."""
    contrast: FactorRange = [0.5, 1.5]
    """The least and the greatest factor."""
    saturation: FactorRange = [0.5, 1.5]
    """The least and the greatest factor."""
    hue: Annotated[Range, AfterValidator(_in_half_circle)] = [-0.05, 0.05]
    """The least and the greatest turn, as a share of the circle of colours."""
