"""Ancestral sampling with DPM-Solver++(2S)."""

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
)


@torch.no_grad()
def sample_dpmpp_2s_ancestral(
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
    """DPM-Solver++(2S) (Lu et al., 2022, algorithm 1) below the next level, then noise up to it: 2N − 1 calls for N steps into 0.

    `eta` 0 is DPM-Solver++(2S) itself, of order 2.
    """
    steps = Steps("dpmpp_2s_ancestral", denoiser, x, sigmas, extra_args, callback)
    noise = noise_sampler or default_noise_sampler(x)
    for i, sigma, sigma_next in steps:
        denoised = steps.denoise(x, sigma)
        steps.tell(x, i, sigma, sigma, denoised)
        sigma_down, sigma_up = get_ancestral_step(sigma, sigma_next, eta)
        if sigma_down > 0:
            sigma_mid = math.sqrt(sigma * sigma_down)
            denoised = steps.denoise(euler_step(x, denoised, sigma, sigma_mid), sigma_mid)
        x = euler_step(x, denoised, sigma, sigma_down)
        x = add_noise(x, noise, sigma, sigma_next, s_noise * sigma_up)
    return x
