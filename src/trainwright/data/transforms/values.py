"""Other numbers in the same places, and the same numbers in other places."""

from __future__ import annotations

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError, DataError
from trainwright.data.transforms import CastOptions, NormalizeOptions, PermuteOptions, on_device


def in_batch(dim: int, options: NormalizeOptions | PermuteOptions) -> int:
    """A dimension of a sample where it lies in what the transform is given: one further on in a batch, whose first is the row."""
    return dim + 1 if on_device(options) and dim >= 0 else dim


class Normalize:
    """(x - mean) / std in float32; lists lie along one dimension."""

    def __init__(self, options: NormalizeOptions) -> None:
        self.dim, self.mean, self.std = in_batch(options.dim, options), torch.tensor(options.mean), torch.tensor(options.std)
        if (self.std <= 0).any():
            raise ConfigError(f"normalize.std is {options.std}", why="it is divided by", fix="give numbers above 0")

    def __call__(self, sample: Tensor) -> Tensor:
        return (sample.float() - self._along(self.mean, sample)) / self._along(self.std, sample)

    def _along(self, numbers: Tensor, sample: Tensor) -> Tensor:
        if not numbers.dim():
            return numbers
        numbers = numbers.to(sample.device)
        shape = [1] * sample.dim()
        if not -sample.dim() <= self.dim < sample.dim() or sample.shape[self.dim] != len(numbers):
            what = f"normalize has {len(numbers)} numbers for dimension {self.dim} of an array of shape {tuple(sample.shape)}"
            raise DataError(what, fix="give one number, or one for each entry of the dimension")
        shape[self.dim] = len(numbers)
        return numbers.view(shape)


class Permute:
    """Puts the dimensions into another order; raises DataError for one that the array does not have."""

    def __init__(self, options: PermuteOptions) -> None:
        self.dims = [0, *(in_batch(dim, options) for dim in options.dims)] if on_device(options) else options.dims

    def __call__(self, sample: Tensor) -> Tensor:
        if sorted(self.dims) != list(range(sample.dim())):
            what = f"permute orders dimensions {self.dims}, and the array has shape {tuple(sample.shape)}"
            raise DataError(what, fix=f"name each of {list(range(sample.dim()))} once")
        return sample.permute(self.dims)


class Cast:
    """Gives the numbers another type."""

    def __init__(self, options: CastOptions) -> None:
        self.dtype: torch.dtype = getattr(torch, options.dtype)

    def __call__(self, sample: Tensor) -> Tensor:
        return sample.to(self.dtype)
