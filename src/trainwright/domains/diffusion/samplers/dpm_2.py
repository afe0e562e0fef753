"""The midpoint rule in ln σ, DPM-Solver-2 after Karras et al."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainwright.domains.diffusion.samplers.churn import Churn
from trainwright.domains.diffusion.samplers.steps import Callback, DenoiserCall, ExtraArgs, NoiseSampler, Sigmas, Steps, euler_step, to_d


@torch.no_grad()
def sample_dpm_2(
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
    """Midpoint steps with churn, Lu et al. (2022), DPM-Solver-2, with the slope at √(σσ') taken for the whole step: order 2.

    2N − 1 calls for N steps into 0, where the last is Euler's (2N where it ends above).
    """
    steps = Steps("dpm_2", denoiser, x, sigmas, extra_args, callback)
    churn = Churn(steps, s_churn, s_tmin, s_tmax, s_noise, noise_sampler)
    for i, sigma, sigma_next in steps:
        x, sigma_hat = churn(x, sigma)
        denoised = steps.denoise(x, sigma_hat)
        steps.tell(x, i, sigma, sigma_hat, denoised)
        if sigma_next > 0:
            sigma_mid = math.sqrt(sigma_hat * sigma_next)
            x_mid = euler_step(x, denoised, sigma_hat, sigma_mid)
            x = x.add(to_d(x_mid, sigma_mid, steps.denoise(x_mid, sigma_mid)), alpha=sigma_next - sigma_hat)
        else:
            x = denoised
    return x
