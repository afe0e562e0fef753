"""Weights that follow from σ alone, each relative to that of EDM."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from trainwright.config.model import PartConfig
from trainwright.domains.diffusion.weightings.base import Weighting
from trainwright.domains.diffusion.weightings.options import MinSNROptions


def edm_weight(sigma: Float[Tensor, " b"], sigma_data: float) -> Float[Tensor, " b"]:
    """(σ² + σ_data²) / (σ·σ_data)², on the error of the clean sample (Karras et al. 2022, table 1)."""
    return (sigma**2 + sigma_data**2) / (sigma * sigma_data) ** 2


class _Plain(Weighting):
    """A weight without options."""

    def __init__(self, options: PartConfig | None = None) -> None:
        self.options = options


class Karras(_Plain):
    """1: that of EDM (Karras et al. 2022, table 1)."""

    def relative(self, sigma: Float[Tensor, " b"], sigma_data: float) -> Float[Tensor, " b"]:
        return torch.ones_like(sigma)

    def weigh(self, errors: Float[Tensor, " b"], sigma: Float[Tensor, " b"], sigma_data: float) -> Float[Tensor, " b"]:
        return errors  # the usual one costs a step nothing


class SNR(_Plain):
    """σ_data² / (σ² + σ_data²), which is 1 on the error of the noise."""

    def relative(self, sigma: Float[Tensor, " b"], sigma_data: float) -> Float[Tensor, " b"]:
        return sigma_data**2 / (sigma**2 + sigma_data**2)


class SoftMinSNR(_Plain):
    """(σ·σ_data)² / (σ² + σ_data²)² (Crowson et al. 2024, section 3.2)."""

    def relative(self, sigma: Float[Tensor, " b"], sigma_data: float) -> Float[Tensor, " b"]:
        return (sigma * sigma_data) ** 2 / (sigma**2 + sigma_data**2) ** 2


class MinSNR(Weighting):
    """min(1/σ², γ) on the error of the clean sample (Hang et al. 2023)."""

    def __init__(self, options: MinSNROptions | None = None) -> None:
        self.gamma = 5.0 if options is None else options.gamma

    def relative(self, sigma: Float[Tensor, " b"], sigma_data: float) -> Float[Tensor, " b"]:
        return (sigma**-2).clamp(max=self.gamma) / edm_weight(sigma, sigma_data)


class Denoised(_Plain):
    """1 on the error of the clean sample."""

    def relative(self, sigma: Float[Tensor, " b"], sigma_data: float) -> Float[Tensor, " b"]:
        return 1 / edm_weight(sigma, sigma_data)


class Velocity(_Plain):
    """1 on the error of the velocity noise − clean, whose share t = σ / (1 + σ) is that of the clean sample (Lipman et al. 2023)."""

    def relative(self, sigma: Float[Tensor, " b"], sigma_data: float) -> Float[Tensor, " b"]:
        return ((1 + sigma) / sigma) ** 2 / edm_weight(sigma, sigma_data)


class Cosmap(Velocity):
    """2 / (π·(1 − 2t + 2t²)) on the error of the velocity (Esser et al. 2024, equation 21)."""

    def relative(self, sigma: Float[Tensor, " b"], sigma_data: float) -> Float[Tensor, " b"]:
        t = sigma / (1 + sigma)
        return super().relative(sigma, sigma_data) * 2 / (math.pi * (1 - 2 * t + 2 * t**2))
