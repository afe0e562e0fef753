"""Colours of uint8 pictures `(1 or 3, h, w)` changed by Pillow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from torch import Tensor

from trainwright.domains.images.transforms.pillow.pictures import by_channels, changed


def _brightness(image: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(factor)


def _contrast(image: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Contrast(image).enhance(factor)


def _saturation(image: Image.Image, factor: float) -> Image.Image:
    return image if image.mode == "L" else ImageEnhance.Color(image).enhance(factor)


def _hue(image: Image.Image, turn: float) -> Image.Image:
    if image.mode == "L":
        return image
    hue, saturation, value = image.convert("HSV").split()
    moved = (np.asarray(hue).astype(np.int32) + int(turn * 255)).astype(np.uint8)  # modulo 256, as torchvision turns Pillow's hues
    return Image.merge("HSV", (Image.fromarray(moved), saturation, value)).convert("RGB")


OF_IMAGES: dict[str, Callable[[Image.Image, float], Image.Image]] = {
    "adjust_brightness": _brightness,
    "adjust_contrast": _contrast,
    "adjust_saturation": _saturation,
    "adjust_hue": _hue,
}
"""Functions of colours by a factor, of Pillow's pictures."""


def adjust_brightness(picture: Tensor, factor: float) -> Tensor:
    """All numbers times a factor: 0 is black, 1 the picture."""
    return adjust_in_turn(picture, [("adjust_brightness", factor)])


def adjust_contrast(picture: Tensor, factor: float) -> Tensor:
    """Farther from the mean gray of the picture: 0 is all gray, 1 the picture."""
    return adjust_in_turn(picture, [("adjust_contrast", factor)])


def adjust_saturation(picture: Tensor, factor: float) -> Tensor:
    """More or less colourful: 0 is gray, 1 the picture. Gray pictures stay as they are."""
    return adjust_in_turn(picture, [("adjust_saturation", factor)])


def adjust_hue(picture: Tensor, turn: float) -> Tensor:
    """All hues turned by a share of the circle of colours, −0.5 to 0.5, in steps of 1/255. Gray pictures stay as they are."""
    return adjust_in_turn(picture, [("adjust_hue", turn)])


def adjust_in_turn(picture: Tensor, steps: Sequence[tuple[str, float]]) -> Tensor:
    """Changed by functions of colours (name, factor), one after the other; handed to Pillow and back once."""

    def change(image: Image.Image) -> Image.Image:
        for name, factor in steps:
            image = OF_IMAGES[name](image, factor)
        return image

    return changed(picture, change) if steps else picture


def adjust_gamma(picture: Tensor, gamma: float, gain: float = 1.0) -> Tensor:
    """gain · x to the power of `gamma`, of x from 0 to 1: above 1 shadows are darker."""
    return by_channels(picture, lambda image: image.point(_gamma_table(gamma, gain) * len(image.getbands())))


@lru_cache(maxsize=64)
def _gamma_table(gamma: float, gain: float) -> list[int]:
    return [min(int((256 - 1e-3) * gain * (each / 255) ** gamma), 255) for each in range(256)]


def adjust_sharpness(picture: Tensor, factor: float) -> Tensor:
    """Farther from a smoothed picture: 0 is smoothed, 1 the picture, 2 sharper. The outermost pixels stay."""
    return by_channels(picture, lambda image: ImageEnhance.Sharpness(image).enhance(factor))


def rgb_to_grayscale(picture: Tensor, channels: int = 1) -> Tensor:
    """Gray, (299 R + 587 G + 114 B) / 1000 rounded, in one channel or in three alike."""
    gray = picture if len(picture) == 1 else changed(picture, lambda image: image.convert("L"))
    return gray.expand(channels, *gray.shape[1:])


def posterize(picture: Tensor, bits: int) -> Tensor:
    """`bits` of 8 for each number, 0 (black) to 8."""
    return by_channels(picture, partial(ImageOps.posterize, bits=bits))


def solarize(picture: Tensor, threshold: float) -> Tensor:
    """Numbers from a threshold on are inverted."""
    return by_channels(picture, partial(ImageOps.solarize, threshold=threshold))  # type: ignore[arg-type]


def autocontrast(picture: Tensor) -> Tensor:
    """Each channel stretched, its least number becoming black and its greatest white; a channel of one colour stays."""
    return by_channels(picture, ImageOps.autocontrast)


def equalize(picture: Tensor) -> Tensor:
    """Each channel mapped so that its 256 levels occur about equally often."""
    return by_channels(picture, ImageOps.equalize)


def blur(picture: Tensor, radius: float) -> Tensor:
    """Neighbours mixed by a bell curve of a deviation of `radius` pixels, approximated by boxes, as Pillow and timm have it."""
    return by_channels(picture, lambda image: image.filter(ImageFilter.GaussianBlur(radius)))
