"""Denoisers made from options: what `build("denoiser", options, network=…, sigma_data=…, weighting=…)` calls.

A network of a configuration is told σ unless it says otherwise by an attribute `takes`.
"""

from __future__ import annotations

from torch import nn

from trainwright.domains.diffusion.denoisers.base import BaseDenoiser
from trainwright.domains.diffusion.denoisers.continuous import EpsilonDenoiser, FlowDenoiser, VDenoiser, X0Denoiser
from trainwright.domains.diffusion.denoisers.edm import Denoiser, DenoiserWithVariance
from trainwright.domains.diffusion.denoisers.options import DenoiserOptions, EDMOptions
from trainwright.domains.diffusion.weightings.base import Weighting

CONTINUOUS: dict[str, type[BaseDenoiser]] = {"v": VDenoiser, "epsilon": EpsilonDenoiser, "x0": X0Denoiser, "flow": FlowDenoiser}


def make_edm(options: EDMOptions, network: nn.Module, sigma_data: float = 0.5, weighting: Weighting | None = None) -> Denoiser:
    """The denoiser of EDM, of a network that says its variance where that is to be learned."""
    made = DenoiserWithVariance if options.learned_variance else Denoiser
    return made(network, sigma_data, weighting or "karras", options.scales, takes_of(network))


def make_continuous(
    options: DenoiserOptions, network: nn.Module, sigma_data: float = 0.5, weighting: Weighting | None = None
) -> BaseDenoiser:
    """The denoiser of a network that predicts v, the noise, the clean sample or a velocity."""
    return CONTINUOUS[options.type](network, sigma_data, weighting, options.scales, takes_of(network))


def takes_of(network: nn.Module) -> str:
    """What a network says that it is told of the noise; σ where it says nothing."""
    found: str = getattr(network, "takes", "sigma")
    return found
