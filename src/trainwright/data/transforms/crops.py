"""Pieces of an array, at a random place or in the middle."""

from __future__ import annotations

import torch
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.data.transforms import CenterCropOptions, RandomCropOptions


def places(sample: Tensor, options: RandomCropOptions | CenterCropOptions) -> list[tuple[int, int, int]]:
    """(dimension, its length, that of the piece) for each that is cut; raises DataError for a piece that is longer."""
    sizes = options.size if isinstance(options.size, list) else [options.size]
    dims = options.dims or list(range(-len(sizes), 0))
    if len(dims) != len(sizes) or any(not -sample.dim() <= dim < sample.dim() for dim in dims):
        what = f"{options.type} cuts dimensions {dims} to sizes {sizes}"
        raise DataError(what, why=f"the array has shape {tuple(sample.shape)}", fix="give one size for each dimension that is cut")
    found = [(dim, sample.shape[dim], size) for dim, size in zip(dims, sizes, strict=True)]
    if any(length < size for _, length, size in found):
        what = f"{options.type}: a piece of {sizes} does not fit into an array of shape {tuple(sample.shape)}"
        raise DataError(what, fix="make it smaller, or leave out the arrays that are too short")
    return found


class RandomCrop:
    """Cuts a piece at a place drawn from torch's default generator, which is seeded for every sample."""

    def __init__(self, options: RandomCropOptions) -> None:
        self.options = options

    def __call__(self, sample: Tensor) -> Tensor:
        for dim, length, size in places(sample, self.options):
            sample = sample.narrow(dim, int(torch.randint(length - size + 1, ())), size)
        return sample


class CenterCrop:
    """Cuts the piece in the middle."""

    def __init__(self, options: CenterCropOptions) -> None:
        self.options = options

    def __call__(self, sample: Tensor) -> Tensor:
        for dim, length, size in places(sample, self.options):
            sample = sample.narrow(dim, (length - size) // 2, size)
        return sample
