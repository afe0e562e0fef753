"""Data of which the best denoiser is known: a Gaussian and mixtures of two, in float64."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LEVELS = torch.tensor([10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0], dtype=torch.float64)
START = torch.tensor([[-12.0], [-3.0], [0.5], [7.0], [15.0]], dtype=torch.float64)


class Counted:
    """A denoiser that counts its calls."""

    def __init__(self, denoiser):
        self.function, self.calls, self.levels = denoiser, 0, []

    def __call__(self, x, sigma, **extra_args):
        self.calls += 1
        self.levels.append(float(sigma[0]))
        return self.function(x, sigma, **extra_args)


def gaussian(x: Tensor, sigma: Tensor, mean: float = 0.5, deviation: float = 0.5) -> Tensor:
    """The denoiser of data N(0.5, 0.5²)."""
    noise = sigma.view(-1, *[1] * (x.ndim - 1)) ** 2
    return (deviation**2 * x + noise * mean) / (deviation**2 + noise)


def mixture(x: Tensor, sigma: Tensor, parts=((0.3, -1.0, 0.2), (0.7, 0.5, 0.1))) -> Tensor:
    """The denoiser of a mixture of Gaussians, each (share, mean, deviation)."""
    noise = sigma.view(-1, *[1] * (x.ndim - 1)) ** 2
    logs = torch.stack([math.log(w) - (x - m) ** 2 / (2 * (s**2 + noise)) - (s**2 + noise).log() / 2 for w, m, s in parts])
    each = torch.stack([(s**2 * x + noise * m) / (s**2 + noise) for _, m, s in parts])
    return (logs.softmax(0) * each).sum(0)


def wide_mixture(x: Tensor, sigma: Tensor) -> Tensor:
    """The denoiser of 0.3·N(−1, 0.4²) + 0.7·N(0.5, 0.3²)."""
    return mixture(x, sigma, ((0.3, -1.0, 0.4), (0.7, 0.5, 0.3)))


def constant_noise(x: Tensor):
    """0.25 wherever noise is drawn."""
    return lambda sigma, sigma_next: torch.full_like(x, 0.25)
