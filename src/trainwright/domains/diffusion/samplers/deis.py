"""DEIS: an exponential integrator with past slopes."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainwright.domains.diffusion.samplers.lagrange import check_order, falling_order, lagrange_integrals
from trainwright.domains.diffusion.samplers.steps import Callback, DenoiserCall, ExtraArgs, NoiseSampler, Sigmas, Steps, to_d

POINTS = 16
"""Of the quadrature: exact to rounding for steps up to ln σ 12."""


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
    slopes: list[Tensor] = []
    for i, sigma, sigma_next in steps:
        denoised = steps.denoise(x, sigma)
        steps.tell(x, i, sigma, sigma, denoised)
        slopes = [to_d(x, sigma, denoised), *slopes[: order - 1]]
        current = falling_order(i, len(steps), order, lower_order_final) if sigma_next > 0 else 1
        for slope, weight in zip(slopes, _weights(steps.levels[i - current + 1 : i + 1][::-1], sigma_next), strict=False):
            x = x.add(slope, alpha=weight)
    return x


def _weights(levels: list[float], sigma_next: float) -> list[float]:
    """What the slopes at `levels`, the newest first, are weighed by in the step from levels[0] to `sigma_next`."""
    if len(levels) == 1:
        return [sigma_next - levels[0]]
    logs = [math.log(each) for each in levels]
    return lagrange_integrals(logs, logs[0], math.log(sigma_next), POINTS, math.exp)
