"""Euler's method."""

from __future__ import annotations

import torch
from torch import Tensor

from trainwright.domains.diffusion.samplers.churn import Churn
from trainwright.domains.diffusion.samplers.steps import Callback, DenoiserCall, ExtraArgs, NoiseSampler, Sigmas, Steps, euler_step


@torch.no_grad()
def sample_euler(
    denoiser: DenoiserCall,
    x: Tensor,
    sigmas: Sigmas,
    extra_args: ExtraArgs = None,
    callback: Callback | None = None,
    disable: bool | None = None,
    s_churn: float = 0.0,
    s_tmin: float = 0.0,
    s_tmax: float | None = None,
    s_noise: float = 1.0,
    noise_sampler: NoiseSampler | None = None,
) -> Tensor:
    """Euler steps with churn, Karras et al. (2022), algorithm 2 without its correction: order 1, N calls for N steps."""
    steps = Steps("euler", denoiser, x, sigmas, extra_args, callback)
    churn = Churn(steps, s_churn, s_tmin, s_tmax, s_noise, noise_sampler)
    for i, sigma, sigma_next in steps:
        x, sigma_hat = churn(x, sigma)
        denoised = steps.denoise(x, sigma_hat)
        steps.tell(x, i, sigma, sigma_hat, denoised)
        x = euler_step(x, denoised, sigma_hat, sigma_next)
    return x
