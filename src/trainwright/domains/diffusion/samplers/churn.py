"""Noise that is added before a step and taken off within it: the stochastic part of Karras et al. (2022), algorithm 2."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from trainwright.domains.diffusion.samplers.steps import NoiseSampler, Steps, add_noise, default_noise_sampler


@dataclass(frozen=True)
class Churn:
    """Raises a level σ in [s_tmin, s_tmax] to σ̂ = σ (1 + min(s_churn / N, √2 − 1)), with noise of deviation s_noise √(σ̂² − σ²)."""

    steps: Steps
    s_churn: float = 0.0
    s_tmin: float = 0.0
    s_tmax: float | None = None
    s_noise: float = 1.0
    noise_sampler: NoiseSampler | None = None

    def __call__(self, x: Tensor, sigma: float) -> tuple[Tensor, float]:
        """x (b, …) and its level after noise was added; both as they are without churn."""
        high = math.inf if self.s_tmax is None else self.s_tmax
        if self.s_churn <= 0 or not self.s_tmin <= sigma <= high:
            return x, sigma
        sigma_hat = sigma * (1 + min(self.s_churn / len(self.steps), math.sqrt(2) - 1))
        deviation = self.s_noise * math.sqrt(sigma_hat**2 - sigma**2)
        return add_noise(x, self.noise_sampler or default_noise_sampler(x), sigma, sigma_hat, deviation), sigma_hat
