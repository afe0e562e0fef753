"""Between tensors and Pillow's pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

Fill = float | Sequence[float]
BY_BANDS = 1 << 14
"""Pixels from which on Pillow gives each band by itself quicker than numpy parts them."""


def to_pillow(picture: Tensor) -> Image.Image:
    """uint8 `(1 or 3, h, w)` as a gray or RGB picture."""
    if len(picture) == 1:
        return Image.fromarray(picture[0].contiguous().numpy())
    pixels = np.ascontiguousarray(picture.permute(1, 2, 0).numpy())
    return Image.frombytes("RGB", (pixels.shape[1], pixels.shape[0]), pixels.data)


def from_pillow(picture: Image.Image) -> Tensor:
    """uint8 `(c, h, w)`, its numbers in the order in which Pillow has them: pixel by pixel."""
    found = torch.from_numpy(np.array(picture))
    return found.unsqueeze(0) if found.dim() == 2 else found.permute(2, 0, 1)


def planes_of(picture: Image.Image) -> Tensor:
    """uint8 `(c, h, w)`, plane by plane, as batches have it."""
    width, height = picture.size
    bands = picture.getbands()
    if len(bands) == 1 or width * height < BY_BANDS:
        pixels = np.frombuffer(picture.tobytes(), np.uint8).reshape(height, width, len(bands))
        return torch.from_numpy(np.array(pixels.transpose(2, 0, 1), order="C"))
    planes = np.empty((len(bands), height, width), np.uint8)
    for plane, band in zip(planes, bands, strict=True):
        plane[:] = np.frombuffer(picture.tobytes("raw", band), np.uint8).reshape(height, width)
    return torch.from_numpy(planes)


def changed(picture: Tensor, change: Callable[[Image.Image], Image.Image]) -> Tensor:
    """What a function of Pillow's pictures makes of a gray or RGB tensor."""
    return from_pillow(change(to_pillow(picture)))


def by_channels(picture: Tensor, change: Callable[[Image.Image], Image.Image]) -> Tensor:
    """The same for any number of channels: where they are not gray or RGB, each by itself."""
    if len(picture) in (1, 3):
        return changed(picture, change)
    return torch.cat([changed(each[None], change) for each in picture])


def color_of(fill: Fill | None, channels: int) -> int | tuple[int, ...] | None:
    """A colour as Pillow takes it."""
    if fill is None:
        return None
    numbers = [round(each) for each in fill] if isinstance(fill, Sequence) else [round(fill)] * channels
    return numbers[0] if channels == 1 else tuple(numbers)
