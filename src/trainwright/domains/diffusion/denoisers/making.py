"""Denoisers made from options: what `build("denoiser", options, network=…, sigma_data=…, weighting=…)` calls.

A network of a configuration is told σ unless it says otherwise by an attribute `takes`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from trainwright.config.errors import FOREIGN, ConfigError, RequestError
from trainwright.config.model import PartConfig
from trainwright.config.own_code import at_own_line, describe_failure
from trainwright.config.registry import build
from trainwright.domains.diffusion.denoisers.base import BaseDenoiser
from trainwright.domains.diffusion.denoisers.continuous import EpsilonDenoiser, FlowDenoiser, VDenoiser, X0Denoiser
from trainwright.domains.diffusion.denoisers.discrete import BEYOND, OF_PREDICTION, DiscreteDenoiser
from trainwright.domains.diffusion.denoisers.edm import Denoiser, DenoiserWithVariance
from trainwright.domains.diffusion.denoisers.options import DenoiserOptions, DiscreteOptions, EDMOptions
from trainwright.domains.diffusion.denoisers.tables import table_alphas_cumprod
from trainwright.domains.diffusion.densities.density import Density, OfTable
from trainwright.domains.diffusion.weightings.base import Plain, Weighting
from trainwright.domains.diffusion.weightings.by_sigma import Karras

CONTINUOUS: dict[str, type[BaseDenoiser]] = {"v": VDenoiser, "epsilon": EpsilonDenoiser, "x0": X0Denoiser, "flow": FlowDenoiser}


def make_edm(options: EDMOptions, network: nn.Module, sigma_data: float = 0.5, weighting: Weighting | None = None) -> Denoiser:
    """The denoiser of EDM, of a network that says its variance where that is to be learned."""
    if not options.learned_variance:
        return Denoiser(network, sigma_data, weighting or "karras", options.scales, takes_of(network))
    if not isinstance(weighting, Karras | Plain | None):
        why = "a network that says its variance is trained by the likelihood, which weighs by itself"
        raise ConfigError(
            "a weighting cannot go with learned_variance", why=why, fix="leave weighting at auto; or learned_variance at false"
        )
    return DenoiserWithVariance(network, sigma_data, "karras", options.scales, takes_of(network))


def make_continuous(
    options: DenoiserOptions, network: nn.Module, sigma_data: float = 0.5, weighting: Weighting | None = None
) -> BaseDenoiser:
    """The denoiser of a network that predicts v, the noise, the clean sample or a velocity."""
    return CONTINUOUS[options.type](network, sigma_data, weighting, options.scales, takes_of(network))


def make_discrete(
    options: DiscreteOptions, network: nn.Module, sigma_data: float = 1.0, weighting: Weighting | None = None
) -> DiscreteDenoiser:
    """The denoiser of a network that knows the levels of a table; the table is for data of unit variance, whatever `sigma_data` is."""
    made, alphas_cumprod = OF_PREDICTION[options.prediction_type], table_alphas_cumprod(options)
    return made(network, alphas_cumprod, options.quantize, weighting, options.scales, takes_of(network), options.learned_sigmas)


def density_for(options: PartConfig, denoiser: BaseDenoiser, sigma_data: float, size: int = 0) -> Density:
    """The density of a configuration; `auto` is that of the denoiser's table, where it has one. Raises ConfigError for one beyond it."""
    if options.type == "auto" and isinstance(denoiser, DiscreteDenoiser):
        return OfTable(denoiser.sigmas, sigma_data, size)
    made: Density = build("noise_density", options, sigma_data=sigma_data, size=size)
    check_density(denoiser, made)
    return made


def check_density(denoiser: BaseDenoiser, density: Density) -> None:
    """Raises ConfigError where a density gives levels that the table of a discrete denoiser does not have."""
    if not isinstance(denoiser, DiscreteDenoiser):
        return
    ends = density.quantile(torch.tensor([0.0, 1.0], dtype=torch.float64))
    low, high = float(ends.min()), float(ends.max())
    if low < denoiser.sigma_min * (1 - BEYOND) or high > denoiser.sigma_max * (1 + BEYOND):
        raise ConfigError(
            f"the density gives sigmas from {low:.3g} to {high:.3g}, and the table of the denoiser has others",
            why=f"its levels are from {denoiser.sigma_min:.6g} to {denoiser.sigma_max:.6g}",
            fix="leave density at auto, or choose log_uniform between these ends",
        )


def ensure_takes(network: nn.Module, conditions: Sequence[str]) -> None:
    """Raise ConfigError for a network that cannot be called with a sample, its level of noise and these conditions by name."""
    try:
        signature = inspect.signature(network.forward)
    except (TypeError, ValueError):  # one in C without a signature
        return
    try:
        signature.bind("x", "sigma", **dict.fromkeys(conditions))
    except TypeError as error:
        called = ", ".join(["x", "sigma", *(f"{name}=…" for name in conditions)])
        fix = "let it be forward(self, x, sigma, **conditions)" + (", or train without: system.condition=[]" if conditions else "")
        what = f"the network {type(network).__name__} cannot be called with ({called})"
        raise ConfigError(what, where="system.model", why=str(error), fix=fix) from error


def try_network(denoiser: BaseDenoiser, shape: tuple[int, ...], sigma: float, conditions: Mapping[str, Tensor]) -> None:
    """Call a network of one's own once, for two samples `shape` and conditions of as many rows.

    Raises RequestError or ConfigError where it fails, or gives another shape.
    """
    x = torch.zeros(2, *shape)
    denoiser.eval()
    try:
        with torch.no_grad():
            denoiser.loss(x, x, x.new_full((2,), sigma), **conditions)
    except RequestError as error:
        error.where = error.where or "system.model"
        raise
    except FOREIGN as error:
        what = f"the network {type(denoiser.inner_model).__name__} fails on samples of the shape {tuple(x.shape)}"
        raise ConfigError(what, where="system.model", why=describe_failure(error), fix=at_own_line(error)) from error
    finally:
        denoiser.train()


def takes_of(network: nn.Module) -> str:
    """What a network says that it is told of the noise; σ where it says nothing."""
    found: str = getattr(network, "takes", "sigma")
    return found
