"""DPM-Solver++ as an SDE, in two stages."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainwright.domains.diffusion.samplers.steps import (
    Callback,
    DenoiserCall,
    ExtraArgs,
    NoiseSampler,
    Sigmas,
    Steps,
    add_noise,
    brownian_noise,
    euler_step,
    get_ancestral_step,
    log_ratio,
)


@torch.no_grad()
def sample_dpmpp_sde(
    denoiser: DenoiserCall,
    x: Tensor,
    sigmas: Sigmas,
    extra_args: ExtraArgs = None,
    callback: Callback | None = None,
    disable: bool | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    noise_sampler: NoiseSampler | None = None,
    r: float = 0.5,
) -> Tensor:
    """DPM-Solver++ (stochastic) of two stages, as in k-diffusion: 2N − 1 calls for N steps into 0, which is Euler's.

    Both stages take noise of one Brownian path (`noise_sampler`), so the halves of a step know of each other; the stage is at the share
    `r` of the step in ln σ. `eta` 0 is `dpmpp_2s_ancestral` with `eta` 0.
    """
    steps = Steps("dpmpp_sde", denoiser, x, sigmas, extra_args, callback)
    middles = {sigma: sigma * math.exp(-r * log_ratio(sigma, sigma_next)) for _, sigma, sigma_next in steps if sigma_next > 0}
    levels = [each for sigma in steps.levels for each in ([sigma, middles[sigma]] if sigma in middles else [sigma])]
    noise = brownian_noise(x, levels, noise_sampler)
    for i, sigma, sigma_next in steps:
        denoised = steps.denoise(x, sigma)
        steps.tell(x, i, sigma, sigma, denoised)
        if sigma_next > 0:
            sigma_mid = middles[sigma]
            down, up = get_ancestral_step(sigma, sigma_mid, eta)
            x_mid = add_noise(euler_step(x, denoised, sigma, down), noise, sigma, sigma_mid, s_noise * up)
            denoised = torch.lerp(denoised, steps.denoise(x_mid, sigma_mid), 1 / (2 * r))
        down, up = get_ancestral_step(sigma, sigma_next, eta)
        x = euler_step(x, denoised, sigma, down)
        x = add_noise(x, noise, sigma, sigma_next, s_noise * up)
    return x
