"""A weight that is learned: the error that is expected at each level of noise."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.domains.diffusion.coefficients import widen
from trainwright.domains.diffusion.weightings.base import Weighting, as_weighting
from trainwright.domains.diffusion.weightings.options import UncertaintyOptions


class Uncertainty(nn.Module, Weighting):
    """weight·error / e^u + u, u linear in waves of ¼·ln σ (Karras et al. 2024, equation 15); u starts as 0.

    At its best u is the logarithm of the weighted error at each level, so that all levels pull alike.
    """

    frequencies: Tensor
    phases: Tensor

    def __init__(self, options: UncertaintyOptions | None = None) -> None:
        super().__init__()
        options = options or UncertaintyOptions()
        self.of = as_weighting(options.of)
        self.register_buffer("frequencies", 2 * math.pi * torch.randn(options.channels))
        self.register_buffer("phases", 2 * math.pi * torch.rand(options.channels))
        self.linear = nn.Linear(options.channels, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def log_variance(self, sigma: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """u `(b,)`."""
        level = (widen(sigma).log() / 4).to(self.frequencies.dtype)
        waves = (level.unsqueeze(1) * self.frequencies + self.phases).cos() * math.sqrt(2)
        found: Tensor = self.linear(waves)
        return found.squeeze(1)

    def relative(self, sigma: Float[Tensor, " b"], sigma_data: float) -> Float[Tensor, " b"]:
        return self.of.relative(sigma, sigma_data) * self.log_variance(sigma).neg().exp().to(sigma.dtype)

    def __call__(self, sigma: Float[Tensor, " b"], sigma_data: float = 1.0) -> Float[Tensor, " b"]:
        """The weights `(b,)` that the errors have now, relative to those of EDM."""
        return Weighting.__call__(self, sigma, sigma_data)

    def weigh(self, errors: Float[Tensor, " b"], sigma: Float[Tensor, " b"], sigma_data: float) -> Float[Tensor, " b"]:
        u = self.log_variance(sigma).to(errors.dtype)
        return self.of.weigh(errors, sigma, sigma_data) / u.exp() + u
