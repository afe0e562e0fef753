"""Linear multistep."""

from __future__ import annotations

import torch
from torch import Tensor

from trainwright.domains.diffusion.samplers.multistep import check_order, multistep_weights
from trainwright.domains.diffusion.samplers.steps import Callback, DenoiserCall, ExtraArgs, NoiseSampler, Sigmas, Steps, to_d


@torch.no_grad()
def sample_lms(
    denoiser: DenoiserCall,
    x: Tensor,
    sigmas: Sigmas,
    extra_args: ExtraArgs = None,
    callback: Callback | None = None,
    disable: bool | None = None,
    order: int = 4,
    noise_sampler: NoiseSampler | None = None,
) -> Tensor:
    """Adams–Bashforth in σ with the exact integrals of its polynomials, as in k-diffusion: N calls; the first steps are of lower order.

    Raises RequestError for an `order` below 1.
    """
    steps = Steps("lms", denoiser, x, sigmas, extra_args, callback)
    check_order(order, "lms")
    weights = [multistep_weights(min(order, i + 1), steps.levels, i) for i in range(len(steps))]
    slopes: list[Tensor] = []
    for i, sigma, _ in steps:
        denoised = steps.denoise(x, sigma)
        steps.tell(x, i, sigma, sigma, denoised)
        slopes = [to_d(x, sigma, denoised), *slopes[: order - 1]]
        for slope, weight in zip(slopes, weights[i], strict=True):
            x = x.add(slope, alpha=weight)
    return x
