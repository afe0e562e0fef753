"""Ancestral sampling with the midpoint rule in ln σ."""

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
    default_noise_sampler,
    euler_step,
    get_ancestral_step,
    to_d,
)


@torch.no_grad()
def sample_dpm_2_ancestral(
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
    """`dpm_2` steps (Lu et al., 2022) below the next level, then noise up to it, as in k-diffusion: 2N − 1 calls for N steps into 0."""
    steps = Steps("dpm_2_ancestral", denoiser, x, sigmas, extra_args, callback)
    noise = noise_sampler or default_noise_sampler(x)
    for i, sigma, sigma_next in steps:
        denoised = steps.denoise(x, sigma)
        steps.tell(x, i, sigma, sigma, denoised)
        sigma_down, sigma_up = get_ancestral_step(sigma, sigma_next, eta)
        if sigma_down > 0:
            sigma_mid = math.sqrt(sigma * sigma_down)
            x_mid = euler_step(x, denoised, sigma, sigma_mid)
            x = x.add(to_d(x_mid, sigma_mid, steps.denoise(x_mid, sigma_mid)), alpha=sigma_down - sigma)
        else:
            x = denoised
        x = add_noise(x, noise, sigma, sigma_next, s_noise * sigma_up)
    return x
