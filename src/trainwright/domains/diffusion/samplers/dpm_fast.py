"""DPM-Solver-fast: a given number of calls, in steps of order 3 where they are enough."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.samplers.dpm_solver import SolverStep, ends_of, step_down
from trainwright.domains.diffusion.samplers.steps import (
    Callback,
    DenoiserCall,
    ExtraArgs,
    NoiseSampler,
    Sigmas,
    Steps,
    add_noise,
    default_noise_sampler,
)


@torch.no_grad()
def sample_dpm_fast(
    denoiser: DenoiserCall,
    x: Tensor,
    sigmas: Sigmas,
    extra_args: ExtraArgs = None,
    callback: Callback | None = None,
    disable: bool | None = None,
    eta: float = 0.0,
    s_noise: float = 1.0,
    noise_sampler: NoiseSampler | None = None,
    n: int | None = None,
) -> Tensor:
    """Lu et al. (2022, DPM-Solver), algorithm of section 3.4: `n` calls (len(sigmas) − 1 by default), steps of one length in ln σ.

    Of `sigmas` the first and the last above 0 count, and x ends at the latter. Raises RequestError for `n` below 1.
    """
    steps = Steps("dpm_fast", denoiser, x, sigmas, extra_args, callback)
    noise = noise_sampler or default_noise_sampler(x)
    start, end = ends_of(steps)
    orders = step_orders(len(steps) if n is None else n)
    for i, order in enumerate(orders):
        t, t_next = (start + (end - start) * each / len(orders) for each in (i, i + 1))
        sigma, sigma_next = math.exp(-t), math.exp(-t_next)
        t_down, up = step_down(t, t_next, end, eta)
        step = SolverStep(steps, x, t, t_down)
        steps.tell(x, i, sigma, sigma, step.denoised)
        x = add_noise(step.order(order), noise, sigma, sigma_next, s_noise * up)
    return x


def step_orders(n: int) -> list[int]:
    """The orders, which are the calls, of the steps that make `n` calls: 3 while that leaves a smaller one for the last."""
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise RequestError(f"{n!r} calls were asked for", where="dpm_fast", fix="a whole number from 1")
    threes = n // 3
    return [3] * (threes - 1) + [2, 1] if n % 3 == 0 else [3] * threes + [n % 3]
