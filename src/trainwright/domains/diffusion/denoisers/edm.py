"""The denoiser of EDM, which sees and gives numbers of unit variance, and what is made of it."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.denoisers.base import BaseDenoiser, Scalings, Shares, as_format, check_like
from trainwright.domains.diffusion.weightings.base import ByLevel, Weighting


class Denoiser(BaseDenoiser):
    """D(x; σ) = σ_d²/(σ²+σ_d²)·x + σσ_d/√(σ²+σ_d²)·F(x/√(σ²+σ_d²), σ) (Karras et al. 2022, table 1).

    After k-diffusion's class of the same name: the network is told σ itself, unless it `takes` `c_noise`.
    """

    takes_by_itself = "sigma"

    def __init__(
        self,
        inner_model: nn.Module,
        sigma_data: float = 1.0,
        weighting: str | ByLevel | Weighting = "karras",
        scales: float = 1.0,
        takes: str | None = None,
    ) -> None:
        super().__init__(inner_model, sigma_data, weighting, scales, takes)

    def get_scalings(self, sigma: Float[Tensor, " b"]) -> Scalings:
        total = sigma**2 + self.sigma_data**2
        root = total.rsqrt()
        return Scalings(self.sigma_data**2 / total, sigma * self.sigma_data * root, root)

    def get_shares(self, sigma: Float[Tensor, " b"]) -> Shares:
        if type(self).get_scalings is not Denoiser.get_scalings:
            return super().get_shares(sigma)
        root = (sigma * sigma).add_(self.sigma_data**2).rsqrt_()
        noise_in = sigma * root
        return Shares(root, noise_in, noise_in / self.sigma_data, root * -self.sigma_data)

    def in_units_of_edm(self, sigma: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        return torch.ones_like(sigma)

    def weigh(self, errors: Float[Tensor, " b"], sigma: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        return errors if self.weighting is None else self.weighting.weigh(errors, sigma, self.sigma_data)


class DenoiserWithVariance(Denoiser):
    """The denoiser of EDM with a network that also says how wrong it expects to be at a row.

    `inner_model(…, return_variance=True)` gives the pair of its output and ln variance `(b,)`; the loss is the likelihood
    ½·(error / variance + ln variance), and `weighting` has no effect. After k-diffusion's class of the same name.
    """

    def loss(
        self, input: Float[Tensor, "b ..."], noise: Float[Tensor, "b ..."], sigma: Float[Tensor, " b"], **conditions: Any
    ) -> Float[Tensor, " b"]:
        (output, log_variance), target = self._predict_both(input, noise, sigma, **conditions)
        return (self.row_errors(output, target) / log_variance.exp() + log_variance) / 2

    def _predict_both(self, input: Tensor, noise: Tensor, sigma: Tensor, **conditions: Any) -> tuple[tuple[Tensor, Tensor], Tensor]:
        variances: list[Tensor] = []
        output, target = self.predict(input, noise, sigma, variances=variances, **conditions)
        return (output, variances[0]), target

    def call_network(
        self, x: Float[Tensor, "b ..."], sigma: Float[Tensor, " b"], variances: list[Tensor] | None = None, **conditions: Any
    ) -> Float[Tensor, "b ..."]:
        """The output alone, as when sampling; its variance goes to the end of `variances` where that is given."""
        if variances is None:
            return super().call_network(x, sigma, **conditions)
        pair = self.inner_model(x, as_format(self.get_level(sigma), x), return_variance=True, **conditions)
        if not (isinstance(pair, tuple) and len(pair) == 2):
            what = "the network gives no variance"
            raise RequestError(what, fix="let it give (output, ln variance (b,)) when called with return_variance=True")
        output, log_variance = pair
        check_like(output, x)
        variances.append(log_variance.reshape(len(x)))
        found: Tensor = output
        return found


class SimpleLossDenoiser(Denoiser):
    """The denoiser of EDM with the loss of DDPM, the squared error of the noise (Ho et al. 2020): the weighting `snr`.

    After k-diffusion's class of the same name.
    """

    def __init__(self, inner_model: nn.Module, sigma_data: float = 1.0, scales: float = 1.0, takes: str | None = None) -> None:
        super().__init__(inner_model, sigma_data, "snr", scales, takes)
