"""The whole picture at one size, resized by Pillow; its mask by the nearest pixel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from trainwright.domains.images.transforms.base import PictureTransform
from trainwright.domains.images.transforms.options import FitOptions, StoreOptions

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "nearest-exact": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}


class Fit(PictureTransform):
    """`(c, h, w)` → `(c, *size)`: nothing is done to what has that size."""

    options: FitOptions

    def picture(self, picture: Tensor, drawn: Sequence[float]) -> Tensor:
        return self._fit(picture, self.options.interpolation, self.options.fill)

    def mask(self, mask: Tensor, drawn: Sequence[float]) -> Tensor:
        return self._fit(mask.unsqueeze(0), "nearest-exact", 255).squeeze(0)

    def _fit(self, sample: Tensor, interpolation: str, fill: int) -> Tensor:
        height, width = self.options.size
        if tuple(sample.shape[-2:]) == (height, width):
            return sample
        resize = self.options.resize
        if resize == "stretch":
            return resize_pixels(sample, height, width, interpolation)
        rows, columns = sample.shape[-2:]
        if resize == "pad":
            scale = min(height / rows, width / columns)
            found = resize_pixels(sample, max(round(rows * scale), 1), max(round(columns * scale), 1), interpolation)
            top, left = (height - found.shape[-2]) // 2, (width - found.shape[-1]) // 2
            filled = sample.new_full((sample.shape[0], height, width), fill)
            filled[:, top : top + found.shape[-2], left : left + found.shape[-1]] = found
            return filled
        wanted = int(height / self.options.crop_pct), int(width / self.options.crop_pct)
        scale = max(wanted[0] / rows, wanted[1] / columns)
        found = resize_pixels(sample, max(round(rows * scale), height), max(round(columns * scale), width), interpolation)
        top, left = round((found.shape[-2] - height) / 2), round((found.shape[-1] - width) / 2)
        return found[:, top : top + height, left : left + width]


class Store(PictureTransform):
    """`(c, h, w)` → the same with a short side of at most `size`."""

    options: StoreOptions

    def picture(self, picture: Tensor, drawn: Sequence[float]) -> Tensor:
        return resize_pixels(picture, *self._sides(picture), self.options.interpolation)

    def mask(self, mask: Tensor, drawn: Sequence[float]) -> Tensor:
        return resize_pixels(mask.unsqueeze(0), *self._sides(mask), "nearest-exact").squeeze(0)

    def _sides(self, sample: Tensor) -> tuple[int, int]:
        height, width = sample.shape[-2:]
        scale = min(self.options.size / min(height, width), 1.0)
        return max(round(height * scale), 1), max(round(width * scale), 1)


def resize_pixels(sample: Tensor, height: int, width: int, interpolation: str) -> Tensor:
    """uint8 `(c, h, w)` → `(c, height, width)`, antialiased as Pillow does it."""
    if tuple(sample.shape[-2:]) == (height, width):
        return sample
    array = sample.numpy()
    planes = [Image.fromarray(array[0])] if len(array) == 1 else [Image.fromarray(np.ascontiguousarray(array.transpose(1, 2, 0)))]
    found = np.asarray(planes[0].resize((width, height), FILTERS[interpolation]))
    return torch.from_numpy(found[None].copy() if found.ndim == 2 else np.ascontiguousarray(found.transpose(2, 0, 1)))
