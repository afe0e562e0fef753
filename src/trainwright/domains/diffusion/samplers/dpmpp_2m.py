"""DPM-Solver++(2M)."""

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
    euler_step,
    log_ratio,
)


@torch.no_grad()
def sample_dpmpp_2m(
    denoiser: DenoiserCall,
    x: Tensor,
    sigmas: Sigmas,
    extra_args: ExtraArgs = None,
    callback: Callback | None = None,
    disable: bool | None = None,
    *,
    noise_sampler: NoiseSampler | None = None,
) -> Tensor:
    """Lu et al. (2022, DPM-Solver++), algorithm 2: multistep on the data prediction, order 2, N calls.

    The first step is Euler's, and so is the one into 0. No noise is drawn: `noise_sampler` is there for the signature of all.
    """
    steps = Steps("dpmpp_2m", denoiser, x, sigmas, extra_args, callback)
    h_last, old = 0.0, x
    for i, sigma, sigma_next in steps:
        denoised = steps.denoise(x, sigma)
        steps.tell(x, i, sigma, sigma, denoised)
        h = log_ratio(sigma, sigma_next)
        estimate = denoised
        if i and sigma_next > 0:
            r = h_last / h
            estimate = torch.lerp(old, denoised, 1 + 1 / (2 * r))  # denoised + (denoised − old) / 2r
        x = euler_step(x, estimate, sigma, sigma_next)
        h_last, old = h, denoised
    return x
