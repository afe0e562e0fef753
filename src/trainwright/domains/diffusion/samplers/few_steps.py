"""Samplers of a few steps, for models that were distilled to jump to data from any noise level."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.samplers.steps import (
    Callback,
    DenoiserCall,
    ExtraArgs,
    NoiseSampler,
    Sigmas,
    Steps,
    add_noise,
    default_noise_sampler,
    euler_step,
    seek,
)


@torch.no_grad()
def sample_lcm(
    denoiser: DenoiserCall,
    x: Tensor,
    sigmas: Sigmas,
    extra_args: ExtraArgs = None,
    callback: Callback | None = None,
    disable: bool | None = None,
    *,
    s_noise: float = 1.0,
    noise_sampler: NoiseSampler | None = None,
) -> Tensor:
    """Jump to data, then back to the next level with fresh noise: Song et al. (2023, consistency models), algorithm 1; Luo et al. (2023).

    N calls, of which 1 to 8 are enough. For distilled models only: raises RequestError unless the denoiser, or one that it wraps as
    `.denoiser`, says in `distilled` that it is ("lcm", "tcd", "consistency").
    """
    check_distilled(denoiser, "lcm")
    steps = Steps("lcm", denoiser, x, sigmas, extra_args, callback)
    noise = noise_sampler or default_noise_sampler(x)
    for i, sigma, sigma_next in steps:
        denoised = steps.denoise(x, sigma)
        steps.tell(x, i, sigma, sigma, denoised)
        x = add_noise(denoised, noise, sigma, sigma_next, s_noise * sigma_next)
    return x


@torch.no_grad()
def sample_tcd(
    denoiser: DenoiserCall,
    x: Tensor,
    sigmas: Sigmas,
    extra_args: ExtraArgs = None,
    callback: Callback | None = None,
    disable: bool | None = None,
    *,
    gamma: float = 0.3,
    s_noise: float = 1.0,
    noise_sampler: NoiseSampler | None = None,
) -> Tensor:
    """Strategic stochastic sampling, Zheng et al. (2024, TCD), algorithm 4: N calls, for distilled models only.

    A step goes down to the level of time (1 − `gamma`)·t' and back up to that of t' with noise: `gamma` 0 is `euler`, 1 is `lcm`. Times
    are those of the denoiser's `sigma_to_t` and `t_to_sigma`; without them σ itself is taken for the time. Raises RequestError for a
    model that does not say that it is distilled, and for `gamma` outside 0 to 1.
    """
    check_distilled(denoiser, "tcd")
    if not 0 <= gamma <= 1:
        raise RequestError(
            f"gamma is {gamma!r}", where="tcd", why="it is the share of noise that is drawn afresh", fix="0 to 1; 0.3 is the paper's"
        )
    steps = Steps("tcd", denoiser, x, sigmas, extra_args, callback)
    noise = noise_sampler or default_noise_sampler(x)
    downs = _levels_down(denoiser, steps.levels, gamma)
    for i, sigma, sigma_next in steps:
        denoised = steps.denoise(x, sigma)
        steps.tell(x, i, sigma, sigma, denoised)
        x = euler_step(x, denoised, sigma, downs[i + 1])
        x = add_noise(x, noise, sigma, sigma_next, s_noise * math.sqrt(max(sigma_next**2 - downs[i + 1] ** 2, 0.0)))
    return x


def check_distilled(denoiser: object, sampler: str) -> None:
    """Raises RequestError unless the denoiser, or one that it wraps as `.denoiser`, says in `distilled` what it was distilled for."""
    if not seek(denoiser, "distilled", str):
        why = "each of its steps jumps to data at once, which an ordinary denoiser answers with a blurred mean"
        fix = "another sampler (dpmpp_2m); of a model that is distilled, set denoiser.distilled = 'lcm'"
        raise RequestError(f"'{sampler}' is for distilled models, and this one does not say that it is", where="sampler", why=why, fix=fix)


def _levels_down(denoiser: object, levels: list[float], gamma: float) -> list[float]:
    """The level of (1 − gamma) times the time of each level, found for all at once."""
    to_time, to_sigma = seek(denoiser, "sigma_to_t", Callable), seek(denoiser, "t_to_sigma", Callable)
    if to_time is None or to_sigma is None or gamma in (0, 1):
        return [(1 - gamma) * each for each in levels]
    table = seek(denoiser, "sigmas", Tensor)
    positive = torch.tensor([each for each in levels if each > 0], dtype=torch.float64, device=None if table is None else table.device)
    downs = to_sigma((1 - gamma) * to_time(positive))
    return [float(each) for each in downs.tolist()] + [0.0] * (len(levels) - len(positive))
