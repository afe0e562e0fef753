"""DPM-Solver++(3M) as an SDE, as its peers compute it and corrected."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

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
def sample_dpmpp_3m_sde(
    denoiser: DenoiserCall,
    x: Tensor,
    sigmas: Sigmas,
    extra_args: ExtraArgs = None,
    callback: Callback | None = None,
    disable: bool | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    noise_sampler: NoiseSampler | None = None,
    corrected: bool = False,
) -> Tensor:
    """SDE-DPM-Solver++(3M), Lu et al. (2022, DPM-Solver++), as k-diffusion and diffusers compute it, N calls: order 2.

    There the term of the second divided difference is taken once, though it is half a second derivative and stands twice in the
    expansion: `corrected` takes it twice, which makes the order 3.
    """
    steps = Steps("dpmpp_3m_sde", denoiser, x, sigmas, extra_args, callback)
    noise = brownian_noise(x, steps.levels, noise_sampler)
    h_1, h_2, old, change_1 = 0.0, 0.0, x, x
    for i, sigma, sigma_next in steps:
        denoised = steps.denoise(x, sigma)
        steps.tell(x, i, sigma, sigma, denoised)
        h = log_ratio(sigma, sigma_next)
        if sigma_next == 0:
            return denoised
        slope = (1 + eta) * h
        x = torch.lerp(denoised, x, math.exp(-slope))
        change = denoised - old if i else x
        if i == 1:
            x = x.add(change, alpha=slope * phi(2, -slope) * h / h_1)
        elif i > 1:
            first, second = slope * phi(2, -slope), (1 + corrected) * slope * phi(3, -slope)
            r_1, r_2 = h_1 / h, h_2 / h
            bent = (first * r_1 + second) / (r_1 + r_2)  # of the difference of both slopes, change / r_1 − change_1 / r_2
            x = x.add(change, alpha=(first + bent) / r_1).add_(change_1, alpha=-bent / r_2)
        x = add_noise(x, noise, sigma, sigma_next, s_noise * sigma_next * math.sqrt(-math.expm1(-2 * eta * h)))
        old, change_1, h_1, h_2 = denoised, change, h, h_1
    return x


def sample_dpmpp_3m_sde_corrected(
    denoiser: DenoiserCall,
    x: Tensor,
    sigmas: Sigmas,
    extra_args: ExtraArgs = None,
    callback: Callback | None = None,
    disable: bool | None = None,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    noise_sampler: NoiseSampler | None = None,
) -> Tensor:
    """`dpmpp_3m_sde` with the factor that its peers lack: order 3 without noise (`eta` 0), N calls."""
    given = partial(sample_dpmpp_3m_sde, eta=eta, s_noise=s_noise, corrected=True, noise_sampler=noise_sampler)
    return given(denoiser, x, sigmas, extra_args, callback, disable)
