"""How a picture is brought to the size that a model takes: which sizes it goes through, and Pillow's way there. Imports no torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

Size = tuple[int, int]
"""Height and width."""
Box = tuple[int, int, int, int]
"""Top, left, height, width."""
FILTERS: dict[str, Any] = {"nearest": 0, "nearest-exact": 0, "bilinear": 2, "bicubic": 3, "lanczos": 1, "box": 4, "hamming": 5}
"""Interpolation → Pillow's number of it, whose nearest pixel is what torch calls exact."""


class Plan(NamedTuple):
    """How a picture is fitted: made of a size, then cut or filled up around its middle."""

    resized: Size
    final: Size


def plan_fit(size: Size, wanted: Size, resize: str = "crop", crop_pct: float = 1.0) -> Plan:
    """How a picture of a size (height, width) gets another one, as timm evaluates: by `crop`, `stretch` (squash) or `pad` (border)."""
    target = math.floor(wanted[0] / crop_pct), math.floor(wanted[1] / crop_pct)
    if resize == "stretch":
        return Plan(target, wanted)
    if resize == "crop" and wanted[0] == wanted[1]:
        return Plan(shorter(size, target[0]), wanted)
    ratios = size[0] / target[0], size[1] / target[1]
    ratio = min(ratios) if resize == "crop" else max(ratios)
    return Plan((max(round(size[0] / ratio), 1), max(round(size[1] / ratio), 1)), wanted)


def shorter(size: Size, side: int, limit: int | None = None) -> Size:
    """A size with this short side, its long one cut off to whole pixels and at most `limit`, as torchvision computes it."""
    short, long = min(size), max(size)
    found = side, max(int(side * long / short), 1)
    if limit is not None and found[1] > limit:
        found = max(int(limit * found[0] / found[1]), 1), limit
    return found if size[0] <= size[1] else (found[1], found[0])


def offset(there: int, wanted: int) -> int:
    """Where the middle of a line begins; below 0 where it is filled up."""
    return round((there - wanted) / 2) if there >= wanted else -((wanted - there) // 2)


def resize_image(image: Image.Image, size: Size, interpolation: str) -> Image.Image:
    """A picture at another size, always antialiased: Pillow has no other way."""
    return image if image.size == size[::-1] else image.resize(size[::-1], FILTERS[interpolation])


def resize_and_crop_image(image: Image.Image, resized: Size, box: Box, interpolation: str) -> Image.Image:
    """The piece `box`, which lies inside, of the picture at another size.

    Pillow resizes rows and then columns: the latter are cut off between the two, and what is left is the same to the bit.
    """
    top, left, height, width = box
    if width < resized[1]:
        image = image.resize((resized[1], image.height), FILTERS[interpolation]).crop((left, 0, left + width, image.height))
    image = image.resize((width, resized[0]), FILTERS[interpolation])
    return image.crop((0, top, width, top + height)) if height < resized[0] else image


def fit_pixels(pixels: np.ndarray, wanted: Size, resize: str, crop_pct: float, interpolation: str, fill: float = 0.0) -> np.ndarray:
    """uint8 `(c, h, w)` → `(c, *wanted)`, to the bit what the transform `fit` gives."""
    there = pixels.shape[1], pixels.shape[2]
    if there == wanted:
        return pixels
    plan = plan_fit(there, wanted, resize, crop_pct)
    pieces = [pixels] if len(pixels) in (1, 3) else [each[None] for each in pixels]
    return np.concatenate([_fit_piece(each, plan, interpolation, fill) for each in pieces])


def _fit_piece(pixels: np.ndarray, plan: Plan, interpolation: str, fill: float) -> np.ndarray:
    from PIL import Image

    (height, width), (rows, columns) = plan.final, plan.resized
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    if plan.resized != pixels.shape[1:] and rows >= height and columns >= width:
        box = offset(rows, height), offset(columns, width), height, width
        return _planes(resize_and_crop_image(image, plan.resized, box, interpolation))
    found = _planes(resize_image(image, plan.resized, interpolation))
    return found if plan.resized == plan.final else _cut_middle(found, plan.final, fill)


def _planes(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _cut_middle(pixels: np.ndarray, size: Size, fill: float) -> np.ndarray:
    """The middle of a picture, with a border where it is smaller."""
    rows, columns = pixels.shape[1:]
    made = np.full((len(pixels), *size), fill, pixels.dtype)
    (to_row, from_row, height), (to_column, from_column, width) = _overlap(rows, size[0]), _overlap(columns, size[1])
    piece = pixels[:, from_row : from_row + height, from_column : from_column + width]
    made[:, to_row : to_row + height, to_column : to_column + width] = piece
    return made


def _overlap(there: int, wanted: int) -> tuple[int, int, int]:
    """Where the middle of a line goes to, where it comes from, and how much of it there is."""
    first = offset(there, wanted)
    return max(-first, 0), max(first, 0), min(there, wanted)
