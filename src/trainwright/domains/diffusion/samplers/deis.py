"""DEIS: an exponential integrator with past slopes."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainwright.domains.diffusion.samplers.exponential import phis
from trainwright.domains.diffusion.samplers.multistep import check_order, falling_order, match_moments
from trainwright.domains.diffusion.samplers.steps import Callback, DenoiserCall, ExtraArgs, NoiseSampler, Sigmas, Steps, log_ratio, to_d


@torch.no_grad()
def sample_deis(
    denoiser: DenoiserCall,
    x: Tensor,
    sigmas: Sigmas,
    extra_args: ExtraArgs = None,
    callback: Callback | None = None,
    disable: bool | None = None,
    *,
    order: int = 3,
    lower_order_final: bool | None = None,
    noise_sampler: NoiseSampler | None = None,
) -> Tensor:
    """ρAB-DEIS, Zhang & Chen (2023), section 3.3: past slopes as a polynomial in ln σ, integrated over σ. N calls; into 0 it is Euler's.

    `lower_order_final` lets the order fall with the steps that are left; without it, below 15 steps. Raises RequestError for an order
    that is not 1 to 4.
    """
    steps = Steps("deis", denoiser, x, sigmas, extra_args, callback)
    check_order(order, "deis", 4)
    orders = [falling_order(i, len(steps), order, lower_order_final) for i in range(len(steps))]
    weights = [_weights(steps.levels[i + 1 - orders[i] : i + 1][::-1], steps.levels[i + 1]) for i in range(len(steps))]
    slopes: list[Tensor] = []
    for i, sigma, _ in steps:
        denoised = steps.denoise(x, sigma)
        steps.tell(x, i, sigma, sigma, denoised)
        slopes = [to_d(x, sigma, denoised), *slopes[: order - 1]]
        for slope, weight in zip(slopes, weights[i], strict=False):
            x = x.add(slope, alpha=weight)
    return x


def _weights(levels: list[float], sigma_next: float) -> list[float]:
    """What the slopes at `levels`, the newest first, are weighed by: ∫ dσ to `sigma_next` of Lagrange's polynomials in ln σ."""
    if len(levels) == 1 or sigma_next == 0:
        return [sigma_next - levels[0]]
    h = log_ratio(levels[0], sigma_next)
    moments = [-h * sigma_next * math.factorial(k) * each for k, each in enumerate(phis(1, len(levels), h))]
    return match_moments([log_ratio(levels[0], each) / h for each in levels], moments)
