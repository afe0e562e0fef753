"""Denoisers of networks that predict velocity, noise or the clean sample at any level of noise."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from trainwright.domains.diffusion.denoisers.base import BaseDenoiser, Scalings


class VDenoiser(BaseDenoiser):
    """The network predicts v = α·noise − σ'·clean of samples scaled to unit variance (Salimans & Ho 2022).

    Its time is 2/π · arctan(σ / σ_data), between 0 and 1. After k-diffusion's class of the same name, whose σ_data is 1.
    """

    def get_scalings(self, sigma: Float[Tensor, " b"]) -> Scalings:
        total = sigma**2 + self.sigma_data**2
        root = total.rsqrt()
        return Scalings(self.sigma_data**2 / total, -sigma * self.sigma_data * root, root)

    def sigma_to_t(self, sigma: Tensor) -> Tensor:
        """2/π · arctan(σ / σ_data)."""
        return (sigma / self.sigma_data).atan() / math.pi * 2

    def t_to_sigma(self, t: Tensor) -> Tensor:
        """σ_data · tan(π/2 · t)."""
        return (t * math.pi / 2).tan() * self.sigma_data

    def get_time(self, sigma: Float[Tensor, " b"]) -> Tensor:
        return self.sigma_to_t(sigma)


class EpsilonDenoiser(BaseDenoiser):
    """The network predicts the unit noise from samples scaled to unit variance (Ho et al. 2020); it is told σ."""

    def get_scalings(self, sigma: Float[Tensor, " b"]) -> Scalings:
        return Scalings(torch.ones_like(sigma), -sigma, (sigma**2 + self.sigma_data**2).rsqrt())


class X0Denoiser(BaseDenoiser):
    """The network predicts the clean sample from samples scaled to unit variance; it is told σ."""

    def get_scalings(self, sigma: Float[Tensor, " b"]) -> Scalings:
        return Scalings(torch.zeros_like(sigma), torch.ones_like(sigma), (sigma**2 + self.sigma_data**2).rsqrt())


class FlowDenoiser(BaseDenoiser):
    """The network predicts the velocity noise − clean at x_t = (1 − t)·clean + t·noise (Liu et al. 2023; Lipman et al. 2023).

    Clean samples are counted in units of σ_data; the network is told t = σ / (σ + σ_data), and x_t = x / (σ + σ_data).
    """

    def get_scalings(self, sigma: Float[Tensor, " b"]) -> Scalings:
        share = 1 / (sigma + self.sigma_data)
        return Scalings(self.sigma_data * share, -self.sigma_data * sigma * share, share)

    def sigma_to_t(self, sigma: Tensor) -> Tensor:
        """σ / (σ + σ_data)."""
        return sigma / (sigma + self.sigma_data)

    def t_to_sigma(self, t: Tensor) -> Tensor:
        """σ_data · t / (1 − t)."""
        return self.sigma_data * t / (1 - t)

    def get_time(self, sigma: Float[Tensor, " b"]) -> Tensor:
        return self.sigma_to_t(sigma)
