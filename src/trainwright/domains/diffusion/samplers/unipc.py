"""UniPC: a predictor and a corrector of one form, which share their calls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.samplers.exponential import phis
from trainwright.domains.diffusion.samplers.multistep import check_order, falling_order, match_moments
from trainwright.domains.diffusion.samplers.steps import Callback, DenoiserCall, ExtraArgs, NoiseSampler, Sigmas, Steps, log_ratio

Variant = Literal["bh1", "bh2"]


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
    orders = [falling_order(i, len(steps), order, lower_order_final) for i in range(len(steps))]
    predict = [_weights(steps.levels, i, range(i - 1, i - orders[i], -1), i + 1, variant) for i in range(len(steps))]
    correct = [_weights(steps.levels, i, [*range(i - 1, i - orders[i], -1), i + 1], i + 1, variant) for i in range(len(steps) - 1)]
    known: list[Tensor] = []
    x_last = x
    for i, sigma, _ in steps:
        denoised = steps.denoise(x, sigma)
        steps.tell(x, i, sigma, sigma, denoised)
        if i and corrector:
            x = _combine(x_last, correct[i - 1], [*known[: orders[i - 1]], denoised])
        known = [denoised, *known[: order - 1]]
        x_last, x = x, _combine(x, predict[i], known)
    return x


def _combine(x: Tensor, weights: list[float], known: list[Tensor]) -> Tensor:
    moved = weights[0] * x
    for weight, denoised in zip(weights[1:], known, strict=False):
        moved = moved.add(denoised, alpha=weight)
    return moved


def _weights(levels: list[float], here: int, others: Sequence[int], to: int, variant: Variant) -> list[float]:
    """What x, the prediction at level number `here`, and those at `others` are weighed by in the step to level `to`: equations 3 and 8.

    −B(h)·ρ_j / r_j for each other less that here, where Σ_j ρ_j r_j^k · B(h) = −h φ_{k+2}(−h) (k + 1)! for k = 0…; but for a single ρ,
    which is ½, B cancels. A step into 0 is Euler's.
    """
    h = log_ratio(levels[here], levels[to])
    if levels[to] == 0 or not others:
        return [levels[to] / levels[here], -math.expm1(-h)]
    ratios = [log_ratio(levels[here], levels[each]) / h for each in others]
    if len(ratios) == 1:
        found = [0.5 * (h if variant == "bh1" else -math.expm1(-h))]
    else:
        found = match_moments(ratios, [h * each * math.factorial(k + 1) for k, each in enumerate(phis(2, len(ratios), -h))])
    shares = [each / ratio for each, ratio in zip(found, ratios, strict=True)]
    return [levels[to] / levels[here], -math.expm1(-h) - sum(shares), *shares]
