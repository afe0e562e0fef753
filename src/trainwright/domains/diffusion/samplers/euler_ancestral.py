"""Ancestral sampling with Euler's method."""

from __future__ import annotations

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
    default_noise_sampler,
    euler_step,
    get_ancestral_step,
)


@torch.no_grad()
def sample_euler_ancestral(
    denoiser: DenoiserCall,
    x: Tensor,
    sigmas: Sigmas,
    extra_args: ExtraArgs = None,
    callback: Callback | None = None,
    disable: bool | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    noise_sampler: NoiseSampler | None = None,
) -> Tensor:
    """Euler steps below the next level, then noise up to it: `eta` 1 is the ancestral sampling of Ho et al. (2020, DDPM), N calls.

    `eta` 0 is `euler`; in between it is Song et al. (2020, DDIM), equation 16.
    """
    steps = Steps("euler_ancestral", denoiser, x, sigmas, extra_args, callback)
    noise = noise_sampler or default_noise_sampler(x)
    for i, sigma, sigma_next in steps:
        denoised = steps.denoise(x, sigma)
        steps.tell(x, i, sigma, sigma, denoised)
        sigma_down, sigma_up = get_ancestral_step(sigma, sigma_next, eta)
        x = euler_step(x, denoised, sigma, sigma_down)
        x = add_noise(x, noise, sigma, sigma_next, s_noise * sigma_up)
    return x
