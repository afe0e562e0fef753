"""Pieces of an array, at a random place or in the middle."""

from __future__ import annotations

import torch
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.data.transforms import CenterCropOptions, RandomCropOptions


class PlacedCrop:
    """Cuts some dimensions to sizes, where `begin` says."""

    def __init__(self, options: RandomCropOptions | CenterCropOptions) -> None:
        self.name = options.type
        self.sizes = options.size if isinstance(options.size, list) else [options.size]
        self.dims = options.dims or list(range(-len(self.sizes), 0))
        self.cuts = list(zip(self.dims, self.sizes, strict=False))

    def __call__(self, sample: Tensor) -> Tensor:
        shape, dims = sample.shape, sample.dim()
        if len(self.dims) != len(self.sizes):
            raise self._wrong_dims(sample)
        for dim, size in self.cuts:
            if not -dims <= dim < dims:
                raise self._wrong_dims(sample)
            if shape[dim] < size:
                what = f"{self.name}: a piece of {self.sizes} does not fit into an array of shape {tuple(shape)}"
                raise DataError(what, fix="make it smaller, or leave out the arrays that are too short")
        for dim, size in self.cuts:
            left = shape[dim] - size
            sample = sample.narrow(dim, self.begin(left), size) if left or self.draws else sample
        return sample

    draws = False
    """Whether a place is drawn also where there is one only, so that what follows draws the same numbers whatever the length is."""

    def begin(self, left: int) -> int:
        """Where a piece begins that leaves `left` entries over."""
        raise NotImplementedError

    def _wrong_dims(self, sample: Tensor) -> DataError:
        what = f"{self.name} cuts dimensions {self.dims} to sizes {self.sizes}"
        return DataError(what, why=f"the array has shape {tuple(sample.shape)}", fix="give one size for each dimension that is cut")


class RandomCrop(PlacedCrop):
    """Cuts a piece at a place drawn from torch's default generator, which is seeded for every sample."""

    draws = True

    def begin(self, left: int) -> int:
        return int(torch.randint(left + 1, ()))


class CenterCrop(PlacedCrop):
    """Cuts the piece in the middle."""

    def begin(self, left: int) -> int:
        return left // 2
