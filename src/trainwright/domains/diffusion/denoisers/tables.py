"""Discrete tables of noise: from variances of steps to levels σ, as diffusers' schedulers and DDPM's code have them."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from trainwright.domains.diffusion.denoisers.table_options import TableOptions

LAST_SIGMA = 4096.0
"""The least σ of a level in which nothing of the signal is left; diffusers takes this one."""


def table_betas(options: TableOptions) -> Float[Tensor, " t"]:
    """Variances of the steps, float64: linear (Ho et al. 2020), scaled linear (Rombach et al. 2022), cosine (Nichol & Dhariwal 2021)."""
    steps, ends = options.num_train_timesteps, (options.beta_start, options.beta_end)
    if options.trained_betas is not None:
        return torch.tensor(options.trained_betas, dtype=torch.float64)
    if options.beta_schedule == "linear":
        return torch.linspace(*ends, steps, dtype=torch.float64)
    if options.beta_schedule == "scaled_linear":
        return torch.linspace(ends[0] ** 0.5, ends[1] ** 0.5, steps, dtype=torch.float64) ** 2
    if options.beta_schedule == "sigmoid":
        return torch.linspace(-6, 6, steps, dtype=torch.float64).sigmoid() * (ends[1] - ends[0]) + ends[0]
    share = ((torch.linspace(0, 1, steps + 1, dtype=torch.float64) + 0.008) / 1.008 * math.pi / 2).cos() ** 2
    return (1 - share[1:] / share[:-1]).clamp(max=0.999)


def table_alphas_cumprod(options: TableOptions) -> Float[Tensor, " t"]:
    """ᾱ, the share of the signal's variance that is left after each step, float64."""
    found = (1 - table_betas(options)).cumprod(0)
    return zero_terminal_snr(found) if options.rescale_betas_zero_snr else found


def zero_terminal_snr(alphas_cumprod: Float[Tensor, " t"]) -> Float[Tensor, " t"]:
    """√ᾱ moved and stretched so that the first stays and the last is 0 (Lin et al. 2024, algorithm 1)."""
    root = alphas_cumprod.sqrt()
    return ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2


def sigmas_of(alphas_cumprod: Float[Tensor, " t"]) -> Float[Tensor, " t"]:
    """√((1 − ᾱ) / ᾱ); where ᾱ is 0 at the end, 4096 or twice the level before it, whichever is more, so that the levels rise."""
    sigmas = ((1 - alphas_cumprod) / alphas_cumprod).sqrt()
    if not sigmas[-1].isfinite():
        sigmas[-1] = (2 * sigmas[-2]).clamp(min=LAST_SIGMA)
    return sigmas


def table_sigmas(options: TableOptions) -> Float[Tensor, " t"]:
    """The levels of a table, rising, float64."""
    return sigmas_of(table_alphas_cumprod(options))
