"""Heun's method: the sampler of EDM."""

from __future__ import annotations

import torch
from torch import Tensor

from trainwright.domains.diffusion.samplers.churn import Churn
from trainwright.domains.diffusion.samplers.steps import Callback, DenoiserCall, ExtraArgs, NoiseSampler, Sigmas, Steps, to_d


@torch.no_grad()
def sample_heun(
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
    """Heun steps with churn, Karras et al. (2022), algorithm 2: order 2, 2N − 1 calls for N steps into 0 (2N where it ends above)."""
    steps = Steps("heun", denoiser, x, sigmas, extra_args, callback)
    churn = Churn(steps, s_churn, s_tmin, s_tmax, s_noise, noise_sampler)
    for i, sigma, sigma_next in steps:
        x, sigma_hat = churn(x, sigma)
        denoised = steps.denoise(x, sigma_hat)
        steps.tell(x, i, sigma, sigma_hat, denoised)
        d = to_d(x, sigma_hat, denoised)
        x_next = x.add(d, alpha=sigma_next - sigma_hat)
        if sigma_next > 0:
            d_next = to_d(x_next, sigma_next, steps.denoise(x_next, sigma_next))
            x_next = x.add(d + d_next, alpha=(sigma_next - sigma_hat) / 2)
        x = x_next
    return x
