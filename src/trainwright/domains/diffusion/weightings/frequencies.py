"""Weights by spatial frequency: the squared error of each cosine wave, with less weight the shorter it is."""

from __future__ import annotations

import math
from functools import lru_cache, reduce

import torch
from jaxtyping import Float
from torch import Tensor

from trainwright.config.errors import ConfigError


def freq_weight_1d(n: int, scales: float = 0, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> Tensor:
    """Weights `(n,)` of the n cosine waves of an axis, octaves below one pixel; at most `scales`, if that is at least 1.

    After k-diffusion's function of the same name.
    """
    weights = -torch.linspace(0.5 / n, 0.5, n, dtype=torch.float64).log2()
    weights = weights.clamp(max=scales) if scales >= 1 else weights
    return weights.to(device=device, dtype=dtype or torch.get_default_dtype())


def freq_weight_nd(
    shape: tuple[int, ...], scales: float = 0, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> Tensor:
    """Weights of the cosine waves of several axes, `shape`: the smallest of those of the axes.

    After k-diffusion's function of the same name.
    """
    axes = [freq_weight_1d(n, scales, dtype, device).reshape(-1, *(1,) * (len(shape) - axis - 1)) for axis, n in enumerate(shape)]
    return reduce(torch.minimum, axes)


@lru_cache(maxsize=32)
def cosine_matrix(n: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "n n"]:
    """The orthonormal cosine transform of type II (Ahmed, Natarajan & Rao 1974): row k is a wave with k half periods."""
    k, i = torch.arange(n, dtype=torch.float64).unsqueeze(1), torch.arange(n, dtype=torch.float64)
    matrix = (math.pi / n * (i + 0.5) * k).cos() * math.sqrt(2 / n)
    matrix[0] *= math.sqrt(0.5)
    return matrix.to(device=device, dtype=dtype)


@lru_cache(maxsize=32)
def _weights(size: tuple[int, ...], scales: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    return freq_weight_nd(size, scales, dtype, device)


def cosine_transform(x: Float[Tensor, "b c *size"]) -> Float[Tensor, "b c *size"]:
    """The orthonormal cosine transform of type II along every axis after the second."""
    for axis in range(2, x.ndim):
        x = torch.tensordot(x, cosine_matrix(x.shape[axis], x.dtype, x.device), dims=([axis], [1])).movedim(-1, axis)
    return x


def check_axes(shape: tuple[int, ...]) -> None:
    """Raises ConfigError for samples, `shape` without rows, that have channels alone."""
    if len(shape) < 2:
        why = f"the samples are {shape}, and only pictures and signals have frequencies"
        raise ConfigError("scales other than 1 have no meaning for vectors", why=why, fix="leave scales at 1")


def frequency_weighted(difference: Float[Tensor, "b c *size"], scales: float) -> Float[Tensor, "b c *size"]:
    """Squared amplitudes of the waves of a difference, weighted: as many octaves as `scales` count."""
    check_axes(tuple(difference.shape[1:]))
    return cosine_transform(difference) ** 2 * _weights(tuple(difference.shape[2:]), scales, difference.dtype, difference.device)
