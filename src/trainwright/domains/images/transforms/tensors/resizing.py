"""Pictures `(…, c, h, w)` at another size: as torchvision's tensor kernels do it, and by the filters that only Pillow has."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from trainwright.domains.images.transforms.tensors.values import as_before, flat, in_floats

OF_TORCH = ("nearest", "nearest-exact", "bilinear", "bicubic")
"""Interpolations that torch itself has."""


def resize(picture: Tensor, size: tuple[int, int], interpolation: str = "bilinear", antialias: bool = True) -> Tensor:
    """`(…, c, h, w)` → `(…, c, *size)`; `box`, `hamming` and `lanczos` always are antialiased, the nearest pixel never is."""
    if tuple(picture.shape[-2:]) == tuple(size):
        return picture
    rows, shape = flat(picture)
    if interpolation in OF_TORCH:
        found = _by_torch(rows, size, interpolation, antialias)
    else:
        found = _by_filter(rows, size, interpolation)
    return found.reshape(*shape[:-2], *size)


def _by_torch(rows: Tensor, size: tuple[int, int], interpolation: str, antialias: bool) -> Tensor:
    if interpolation.startswith("nearest"):
        numbers = rows if rows.dtype in (torch.uint8, torch.float32, torch.float64) else rows.double()
        return interpolate(numbers, size, mode=interpolation).to(rows.dtype)
    # torch resamples uint8 of the CPU in whole numbers, as torchvision does: bicubic then has other weights than of floats.
    numbers = rows if rows.is_floating_point() or (rows.dtype == torch.uint8 and rows.device.type == "cpu") else rows.float()
    found = interpolate(numbers, size, mode=interpolation, align_corners=False, antialias=antialias)
    return as_before(found, rows)


def _by_filter(rows: Tensor, size: tuple[int, int], interpolation: str) -> Tensor:
    """Along the rows, then along the columns, by matrices of weights; whole numbers are rounded after each, as Pillow does."""
    numbers = in_floats(rows)
    across = weights(rows.shape[-1], size[1], interpolation).to(numbers)
    down = weights(rows.shape[-2], size[0], interpolation).to(numbers)
    return as_before(down @ in_floats(as_before(numbers @ across.T, rows)), rows)


def weights(there: int, wanted: int, interpolation: str) -> Tensor:
    """`(wanted, there)` float64: what each pixel that is wanted takes of those that are there, as Pillow's resampling has it."""
    support, kernel = FILTERS[interpolation]
    scale = there / wanted
    wide = max(scale, 1.0)
    centers = (torch.arange(wanted, dtype=torch.float64) + 0.5) * scale
    first = (centers - support * wide + 0.5).floor().clamp_min(0)
    after = (centers + support * wide + 0.5).floor().clamp_max(there)
    places = torch.arange(there, dtype=torch.float64)
    found = kernel((places - centers[:, None] + 0.5) / wide)
    found = found * ((places >= first[:, None]) & (places < after[:, None]))
    return found / found.sum(1, keepdim=True)


def _box(x: Tensor) -> Tensor:
    return ((x > -0.5) & (x <= 0.5)).double()


def _hamming(x: Tensor) -> Tensor:
    return torch.where(x.abs() < 1, torch.sinc(x) * (0.54 + 0.46 * torch.cos(math.pi * x)), 0.0)


def _lanczos(x: Tensor) -> Tensor:
    return torch.where(x.abs() < 3, torch.sinc(x) * torch.sinc(x / 3), 0.0)


FILTERS: dict[str, tuple[float, Callable[[Tensor], Tensor]]] = {"box": (0.5, _box), "hamming": (1.0, _hamming), "lanczos": (3.0, _lanczos)}
"""Name → how far a filter reaches, and its weight at a distance in pixels."""
