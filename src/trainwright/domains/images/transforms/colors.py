"""Colours of pictures changed at random; masks and boxes stay."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from trainwright.domains.images.transforms import functions, tensors
from trainwright.domains.images.transforms.base import Drawn, PictureTransform, Sometimes, between, generator_of, whole_below
from trainwright.domains.images.transforms.color_options import (
    ColorJitterOptions,
    FactorConfig,
    GaussianBlurOptions,
    GrayscaleOptions,
    RandomBlurOptions,
    RandomPhotometricDistortOptions,
)
from trainwright.domains.images.transforms.tensors.colors import adjust_at_once

Step = tuple[str, float]
"""A function of colours by its name, and its factor."""


def in_turn(picture: Tensor, steps: Sequence[Step]) -> Tensor:
    """A picture changed by some functions of colours, one after the other: as one matrix, unless hues turn."""
    if len(picture) in (1, 3) and all(name != "adjust_hue" for name, _ in steps):
        return adjust_at_once(picture, steps) if steps else picture
    return torch.as_tensor(functions.adjust_in_turn(picture, steps))


def factors_of(given: float | Sequence[float]) -> tuple[float, float]:
    """One number v as max(0, 1 − v) to 1 + v; two as they are (torchvision's ColorJitter)."""
    return (given[0], given[1]) if isinstance(given, Sequence) else (max(0.0, 1 - given), 1 + given)


def order_of(count: int, drawn: float) -> list[int]:
    """One of the orders of so many things, all alike likely."""
    left, place, found = list(range(count)), whole_below(math.factorial(count), drawn), []
    for more in range(count, 0, -1):
        at, place = place % more, place // more
        found.append(left.pop(at))
    return found


class ColorJitter(Sometimes):
    """Brightness, contrast, saturation and hue by random numbers in random order."""

    draws = 5

    def __init__(self, options: ColorJitterOptions) -> None:
        super().__init__(options)
        hue = options.hue if isinstance(options.hue, list) else [-options.hue, options.hue]
        ranges = {
            "adjust_brightness": factors_of(options.brightness),
            "adjust_contrast": factors_of(options.contrast),
            "adjust_saturation": factors_of(options.saturation),
        }
        wanted = {name: each for name, each in ranges.items() if each != (1, 1)}
        self.ranges = [*wanted.items(), *([("adjust_hue", (hue[0], hue[1]))] if hue != [0, 0] else [])]

    def change(self, picture: Tensor, drawn: Drawn) -> Tensor:
        steps = [(name, between(*limits, at)) for (name, limits), at in zip(self.ranges, drawn[1:], strict=False)]
        return in_turn(picture, [steps[at] for at in order_of(len(steps), drawn[0])])

    def change_batch(self, batch: Tensor, drawn: Tensor) -> Tensor:
        for at in order_of(len(self.ranges), float(drawn[0, 0])):
            name, (low, high) = self.ranges[at]
            batch = getattr(tensors, name)(batch, (low + (high - low) * drawn[:, 1 + at]).view(-1, 1, 1, 1))
        return batch


class RandomFactor(Sometimes):
    """One function of colours by a random factor."""

    draws = 1
    call = ""
    options: FactorConfig

    def change(self, picture: Tensor, drawn: Drawn) -> Tensor:
        return in_turn(picture, [(self.call, between(self.options.min, self.options.max, drawn[0]))])

    def change_batch(self, batch: Tensor, drawn: Tensor) -> Tensor:
        factor = self.options.min + (self.options.max - self.options.min) * drawn[:, 0]
        found: Tensor = getattr(tensors, self.call)(batch, factor.view(-1, 1, 1, 1))
        return found


class RandomBrightness(RandomFactor):
    """Darker or brighter."""

    call = "adjust_brightness"


class RandomContrast(RandomFactor):
    """Less or more contrast."""

    call = "adjust_contrast"


class Grayscale(PictureTransform):
    """Every picture in gray."""

    options: GrayscaleOptions

    def picture(self, picture: Tensor, drawn: Drawn) -> Tensor:
        return torch.as_tensor(functions.rgb_to_grayscale(picture, self.options.channels))


class RandomGrayscale(Sometimes):
    """Gray in as many channels as before."""

    def change(self, picture: Tensor, drawn: Drawn) -> Tensor:
        gray = torch.as_tensor(functions.rgb_to_grayscale(picture[:3], len(picture[:3])))
        return torch.cat([gray, picture[3:]]) if len(picture) == 4 else gray

    def change_batch(self, batch: Tensor, drawn: Tensor) -> Tensor:
        return torch.cat([tensors.rgb_to_grayscale(batch[:, :3], batch[:, :3].shape[1]), batch[:, 3:]], dim=1)


class ByFunction(Sometimes):
    """One function of a picture, by options that do not vary."""

    call = ""
    option = ""
    """The name of its option, where it has one."""

    def change(self, picture: Tensor, drawn: Drawn) -> Tensor:
        given: list[Any] = [getattr(self.options, self.option)] if self.option else []
        if self.call == "solarize" and picture.is_floating_point():
            given = [given[0] / 255]
        change: Callable[..., Tensor] = functions.function(self.call)
        return change(picture, *given)


class RandomInvert(ByFunction):
    """Negatives."""

    call = "invert"


class RandomPosterize(ByFunction):
    """Few levels of each colour."""

    call, option = "posterize", "bits"


class RandomSolarize(ByFunction):
    """Numbers from a threshold on inverted."""

    call, option = "solarize", "threshold"


class RandomAdjustSharpness(ByFunction):
    """Sharper or smoother."""

    call, option = "adjust_sharpness", "sharpness_factor"


class RandomAutocontrast(ByFunction):
    """The darkest made black and the brightest white."""

    call = "autocontrast"


class RandomEqualize(ByFunction):
    """All levels made equally frequent."""

    call = "equalize"


class GaussianBlur(Sometimes):
    """Neighbours mixed by a bell curve of random width."""

    draws = 1
    options: GaussianBlurOptions | RandomBlurOptions

    def change(self, picture: Tensor, drawn: Drawn) -> Tensor:
        given, size = self.options.sigma, self.options.kernel_size
        sigma = between(given[0], given[1], drawn[0]) if isinstance(given, list) else given
        kernel = [min(size, 2 * side - 1) for side in (picture.shape[-1], picture.shape[-2])]  # no wider than a mirrored border can be
        return tensors.gaussian_blur(picture, kernel, [sigma, sigma])


class GaussianNoise(Sometimes):
    """Independent noise on every number."""

    draws = 1

    def change(self, picture: Tensor, drawn: Drawn) -> Tensor:
        return tensors.gaussian_noise(picture, self.options.sigma, generator_of(drawn[0]))


class RandomChannelPermutation(Sometimes):
    """The channels in random order."""

    draws = 1

    def change(self, picture: Tensor, drawn: Drawn) -> Tensor:
        return picture[order_of(len(picture), drawn[0])]


class RandomPhotometricDistort(PictureTransform):
    """Each of several changes in some pictures, contrast before or after colours, as in torchvision."""

    numbers = 11
    options: RandomPhotometricDistortOptions

    def picture(self, picture: Tensor, drawn: Drawn) -> Tensor:
        options = self.options
        bright, contrast, saturation, hue, permuted = (each < options.p for each in drawn[:5])
        first = drawn[5] < 0.5
        ranges = (options.brightness, options.contrast, options.saturation, options.hue)
        factors = [between(low, high, at) for (low, high), at in zip(ranges, drawn[6:10], strict=True)]
        steps = [
            (bright, "adjust_brightness", factors[0]),
            (contrast and first, "adjust_contrast", factors[1]),
            (saturation, "adjust_saturation", factors[2]),
            (hue, "adjust_hue", factors[3]),
            (contrast and not first, "adjust_contrast", factors[1]),
        ]
        found = in_turn(picture, [(name, factor) for chosen, name, factor in steps if chosen])
        return found[order_of(len(found), drawn[10])] if permuted else found
