"""UniPC: a predictor and a corrector of one form, which share their calls."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.samplers.exponential import phi
from trainwright.domains.diffusion.samplers.lagrange import check_order, falling_order
from trainwright.domains.diffusion.samplers.steps import Callback, DenoiserCall, ExtraArgs, NoiseSampler, Sigmas, Steps, log_ratio

Variant = Literal["bh1", "bh2"]


class Prediction(NamedTuple):
    """What the denoiser said at a level."""

    sigma: float
    denoised: Tensor


@torch.no_grad()
def sample_unipc(
    denoiser: DenoiserCall,
    x: Tensor,
    sigmas: Sigmas,
    extra_args: ExtraArgs = None,
    callback: Callback | None = None,
    disable: bool | None = None,
    *,
    order: int = 3,
    variant: Variant = "bh2",
    corrector: bool = True,
    lower_order_final: bool | None = None,
    noise_sampler: NoiseSampler | None = None,
) -> Tensor:
    """UniPC on the data prediction, Zhao et al. (2023), algorithms 5 and 6: order p + 1 with its corrector, p without; N calls.

    Every call serves twice: to correct the step that led to it, and to predict the next. `variant` is B(h) of the paper: h, or e^h − 1.
    `lower_order_final` lets the order fall with the steps that are left; without it, below 15 steps. The step into 0 is Euler's. Raises
    RequestError for another variant, and for an order that is not 1 to 4.
    """
    steps = Steps("unipc", denoiser, x, sigmas, extra_args, callback)
    check_order(order, "unipc", 4)
    if variant not in ("bh1", "bh2"):
        raise RequestError(f"unknown variant '{variant}'", where="unipc", fix="bh1 or bh2")
    known: list[Prediction] = []
    x_last, current = x, 0
    for i, sigma, sigma_next in steps:
        denoised = steps.denoise(x, sigma)
        steps.tell(x, i, sigma, sigma, denoised)
        if i and corrector:
            others = [*known[1:current], Prediction(sigma, denoised)]
            x = _step(x_last, known[0], sigma, others, variant)
        known = [Prediction(sigma, denoised), *known[: order - 1]]
        current = falling_order(i, len(steps), order, lower_order_final)
        x_last, x = x, _step(x, known[0], sigma_next, known[1:current] if sigma_next > 0 else [], variant)
    return x


def _step(x: Tensor, here: Prediction, sigma_next: float, others: list[Prediction], variant: Variant) -> Tensor:
    """From `here` to `sigma_next` through what was predicted at `others`: equations 3 and 8 of the paper, on the data prediction."""
    h = log_ratio(here.sigma, sigma_next)
    ratios = [log_ratio(here.sigma, each.sigma) / h for each in others]
    shares = [weight / ratio for weight, ratio in zip(_weights(ratios, h, variant), ratios, strict=True)]
    moved = (sigma_next / here.sigma * x).add(here.denoised, alpha=-math.expm1(-h) - sum(shares))
    for share, other in zip(shares, others, strict=True):  # share · (other − here), the here's taken together above
        moved = moved.add(other.denoised, alpha=share)
    return moved


def _weights(ratios: list[float], h: float, variant: Variant) -> list[float]:
    """−B(h) · ρ, where ρ solves Σ_j ρ_j r_j^(k−1) B(h) = −h φ_{k+1}(−h) k! for k = 1…; a single ρ is ½, as the paper has it."""
    scale = -h if variant == "bh1" else math.expm1(-h)
    if len(ratios) < 2:
        return [-0.5 * scale] * len(ratios)
    powers = range(len(ratios))
    wanted = [-h * phi(k + 2, -h) * math.factorial(k + 1) / scale for k in powers]
    shares: list[float] = np.linalg.solve([[ratio**k for ratio in ratios] for k in powers], wanted).tolist()
    return [-scale * share for share in shares]
