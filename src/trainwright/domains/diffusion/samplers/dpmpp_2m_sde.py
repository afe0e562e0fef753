"""DPM-Solver++(2M) as an SDE."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.samplers.exponential import phi
from trainwright.domains.diffusion.samplers.steps import (
    Callback,
    DenoiserCall,
    ExtraArgs,
    NoiseSampler,
    Sigmas,
    Steps,
    add_noise,
    brownian_noise,
    log_ratio,
)


@torch.no_grad()
def sample_dpmpp_2m_sde(
    denoiser: DenoiserCall,
    x: Tensor,
    sigmas: Sigmas,
    extra_args: ExtraArgs = None,
    callback: Callback | None = None,
    disable: bool | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    noise_sampler: NoiseSampler | None = None,
    solver_type: Literal["midpoint", "heun"] = "midpoint",
) -> Tensor:
    """SDE-DPM-Solver++(2M), Lu et al. (2022, DPM-Solver++), appendix on SDEs: N calls; `eta` 0 with `midpoint` is `dpmpp_2m`.

    The noise is of a Brownian path over σ. Raises RequestError for another `solver_type`.
    """
    steps = Steps("dpmpp_2m_sde", denoiser, x, sigmas, extra_args, callback)
    noise = brownian_noise(x, steps.levels, noise_sampler)
    if solver_type not in ("midpoint", "heun"):
        raise RequestError(f"unknown solver_type '{solver_type}'", where="solver_type", fix="midpoint or heun")
    h_last, old = 0.0, x
    for i, sigma, sigma_next in steps:
        denoised = steps.denoise(x, sigma)
        steps.tell(x, i, sigma, sigma, denoised)
        h = log_ratio(sigma, sigma_next)
        if sigma_next == 0:
            return denoised
        slope = (1 + eta) * h
        x = torch.lerp(denoised, x, math.exp(-slope))
        if i:
            weight = slope * phi(2, -slope) if solver_type == "heun" else -0.5 * math.expm1(-slope)
            x = x.add(denoised - old, alpha=weight * h / h_last)
        x = add_noise(x, noise, sigma, sigma_next, s_noise * sigma_next * math.sqrt(-math.expm1(-2 * eta * h)))
        h_last, old = h, denoised
    return x
