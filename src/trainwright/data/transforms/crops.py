"""Pieces of an array, at a random place or in the middle."""

from __future__ import annotations

from collections.abc import Sequence

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

    def __init__(self, options: RandomCropOptions) -> None:
        super().__init__(options)
        self.padding, self.mode, self.fill = options.padding, options.padding_mode, options.fill

    def __call__(self, sample: Tensor) -> Tensor:
        if not self.padding:
            return super().__call__(sample)
        dims = [dim % sample.dim() for dim in self.dims if -sample.dim() <= dim < sample.dim()]
        return super().__call__(pad_ends(sample, dims, self.padding, self.mode, self.fill))

    def begin(self, left: int) -> int:
        return int(torch.randint(left + 1, ()))


IGNORED = -100
"""No class of a mask."""


def pad_ends(sample: Tensor, dims: Sequence[int], count: int, mode: str, fill: float | None) -> Tensor:
    """`count` entries more at both ends of each of `dims`; raises DataError where fewer lie inside than are mirrored."""
    if mode == "constant":
        level = fill if fill is not None else IGNORED if sample.dtype == torch.int64 else 0
        shape = [size + 2 * count * (dim in dims) for dim, size in enumerate(sample.shape)]
        padded = sample.new_full(shape, level)
        padded[tuple(slice(count, count + size) if dim in dims else slice(None) for dim, size in enumerate(sample.shape))] = sample
        return padded
    for dim in dims:
        size = sample.shape[dim]
        if mode == "reflect" and size <= count:
            fix = "pad less, or with padding_mode: edge"
            raise DataError(f"random_crop: {count} entries cannot be mirrored of {size}", fix=fix)
        places = torch.arange(-count, size + count)
        inside = places.clamp(0, size - 1) if mode == "edge" else (size - 1) - ((size - 1) - places.abs()).abs()
        sample = sample.index_select(dim, inside)
    return sample


class CenterCrop(PlacedCrop):
    """Cuts the piece in the middle."""

    def begin(self, left: int) -> int:
        return left // 2
