"""Colours of pictures `(…, c, h, w)`, uint8 or floats of 0 to 1, RGB or gray, as torchvision's tensor kernels change them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.domains.images.transforms.tensors.values import Kind, cut_off, in_floats, largest, to_dtype

LUMA = (0.2989, 0.587, 0.114)
"""How much red, green and blue add to gray (ITU-R BT.601, to four digits as torchvision has it)."""
Factor = float | Tensor
"""One number, or a tensor `(rows, 1, 1, 1)` with one for each picture."""


def blend(picture: Tensor, other: Tensor, factor: Factor) -> Tensor:
    """`factor` of the picture and the rest of another one; a factor above 1 leads away from the other."""
    return cut_off(in_floats(picture) * factor + other * (1 - factor), picture)


def adjust_brightness(picture: Tensor, factor: Factor) -> Tensor:
    """All numbers times a factor: 0 is black, 1 the picture."""
    return cut_off(in_floats(picture) * factor, picture)


def adjust_contrast(picture: Tensor, factor: Factor) -> Tensor:
    """Farther from the mean gray of the picture: 0 is all gray, 1 the picture."""
    return blend(picture, _gray(picture).mean((-3, -2, -1), keepdim=True), factor)


def adjust_saturation(picture: Tensor, factor: Factor) -> Tensor:
    """More or less colourful: 0 is gray, 1 the picture. Gray pictures stay as they are."""
    return picture if picture.shape[-3] == 1 else blend(picture, _gray(picture), factor)


def _gray(picture: Tensor) -> Tensor:
    """`(…, 1, h, w)` in floats, without fractions where the picture has none."""
    numbers = in_floats(picture)
    if picture.shape[-3] == 1:
        return numbers
    if picture.shape[-3] != 3:
        what = f"a picture has {picture.shape[-3]} channels"
        raise DataError(what, why="gray is made of red, green and blue", fix="leave changes of contrast, saturation, hue and gray out")
    red, green, blue = numbers.unbind(-3)
    found = (red * LUMA[0] + green * LUMA[1] + blue * LUMA[2]).unsqueeze(-3)
    return found if picture.is_floating_point() else found.floor()


def rgb_to_grayscale(picture: Tensor, channels: int = 1) -> Tensor:
    """Gray, in one channel or in three alike."""
    gray = _gray(picture).to(picture.dtype)
    return gray.expand(*gray.shape[:-3], channels, *gray.shape[-2:]) if channels > 1 else gray


def adjust_hue(picture: Tensor, turn: Factor) -> Tensor:
    """All hues turned by a share of the circle of colours, −0.5 to 0.5. Gray pictures stay as they are."""
    if picture.shape[-3] == 1:
        return picture
    hsv = to_hsv(to_dtype(picture, torch.float32))
    hue = (hsv[..., :1, :, :] + turn).remainder(1.0)
    return to_dtype(from_hsv(torch.cat([hue, hsv[..., 1:, :, :]], dim=-3)), picture.dtype)


def to_hsv(rgb: Tensor) -> Tensor:
    """Floats of red, green, blue → hue, saturation, value, each 0 to 1."""
    red, green, blue = rgb.unbind(-3)
    value, least = rgb.amax(-3), rgb.amin(-3)
    span = value - least
    gray = span == 0
    over = torch.where(gray, 1.0, span)
    r, g, b = ((value - each) / over for each in (red, green, blue))
    hue = torch.where(value == red, b - g, torch.where(value == green, 2 + r - b, 4 + g - r))
    hue = torch.where(gray, 0.0, (hue / 6 + 1).remainder(1.0))
    return torch.stack([hue, span / torch.where(gray, 1.0, value), value], dim=-3)


def from_hsv(hsv: Tensor) -> Tensor:
    """Floats of hue, saturation, value → red, green, blue: each is value · (1 − saturation · w), w by how far its hue is."""
    hue, saturation, value = hsv.unbind(-3)
    found = []
    for shift in (5.0, 3.0, 1.0):
        k = (hue * 6 + shift).remainder(6)
        found.append(value * (1 - saturation * torch.minimum(k, 4 - k).clamp(0, 1)))
    return torch.stack(found, dim=-3).clamp(0, 1)


def adjust_in_turn(picture: Tensor, steps: Sequence[tuple[str, float]]) -> Tensor:
    """Changed by functions of colours (name, factor), one after the other."""
    by_name = {each.__name__: each for each in (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)}
    for name, factor in steps:
        picture = by_name[name](picture, factor)
    return picture


def adjust_at_once(picture: Tensor, steps: Sequence[tuple[str, float]]) -> Tensor:
    """A single picture `(1 or 3, h, w)` under brightness, contrast and saturation, one after the other, as one matrix of its colours.

    All three are linear, and the mean gray of what was changed follows from the means of the channels. What is brighter than white in
    between is not cut off, and nothing is rounded before the end.
    """
    numbers = in_floats(picture).reshape(len(picture), -1)
    means = numbers.mean(1).tolist() if any(name == "adjust_contrast" for name, _ in steps) else [0.0] * len(picture)
    own, gray, more = _mixture(steps, means)
    more += 0.0 if picture.is_floating_point() else 0.5  # so that cutting fractions off rounds
    if len(picture) == 1:
        return (numbers * own + more).clamp_(0, largest(picture)).to(picture.dtype).view(picture.shape)
    red, green, blue = (gray * each for each in LUMA)
    change = numbers.new_tensor([[red + own, green, blue, more], [red, green + own, blue, more], [red, green, blue + own, more]])
    found = torch.addmm(change[:, -1:], change[:, :-1], numbers).clamp_(0, largest(picture))
    return found.to(picture.dtype).view(picture.shape)


def _mixture(steps: Sequence[tuple[str, float]], means: Sequence[float]) -> tuple[float, float, float]:
    """How much of itself and of its gray a pixel becomes, and what is added, for pictures whose channels have such means.

    Each step leads from such a mixture to another one, since the gray of a gray is as much again (but for the last digit of LUMA).
    """
    luma = LUMA if len(means) == 3 else (1.0,)
    whole, mean = sum(luma), sum(share * each for share, each in zip(luma, means, strict=True))
    own, gray, more = 1.0, 0.0, 0.0
    for name, factor in steps:
        rest = 1 - factor
        if name == "adjust_brightness":
            own, gray, more = own * factor, gray * factor, more * factor
        elif name == "adjust_contrast":
            more = more * factor + rest * ((own + gray * whole) * mean + more * whole)
            own, gray = own * factor, gray * factor
        elif len(means) == 3:
            own, gray, more = own * factor, gray * factor + rest * (own + gray * whole), more * (factor + rest * whole)
    return own, gray, more


def adjust_gamma(picture: Tensor, gamma: float, gain: float = 1.0) -> Tensor:
    """gain · x to the power of `gamma`, of x from 0 to 1: above 1 shadows are darker."""
    numbers = picture if picture.is_floating_point() else to_dtype(picture, torch.float32)
    return to_dtype((gain * numbers**gamma).clamp(0, 1), picture.dtype)


def normalize(picture: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """(x − mean) / std of floats, channel by channel."""
    kind: Kind = {"dtype": picture.dtype, "device": picture.device}
    return (picture - torch.tensor(mean, **kind).view(-1, 1, 1)) / torch.tensor(std, **kind).view(-1, 1, 1)
