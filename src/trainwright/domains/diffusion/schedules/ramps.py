"""Schedules of noise levels between two ends: a ramp of n numbers, bent. All are computed in float64 and get their dtype last."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.schedules.levels import Device, check_count, check_ends, close, ramp


def get_sigmas_karras(
    n: int, sigma_min: float, sigma_max: float, rho: float = 7.0, device: Device = "cpu", dtype: torch.dtype | None = None
) -> Tensor:
    """(n + 1,) levels evenly apart in σ^(1/rho), and a 0: of Karras et al. (2022), equation 5. Raises RequestError for unusable ends."""
    low, high = check_ends(n, sigma_min, sigma_max)
    if not rho > 0:
        raise RequestError(
            f"rho is {rho!r}", where="rho", why="levels are evenly apart in σ^(1/rho)", fix="a number above 0; 7 is the paper's"
        )
    first, last = high ** (1 / rho), low ** (1 / rho)
    levels = (first + ramp(n) * (last - first)) ** rho
    levels[0] = high  # exactly: the root and the power of it differ in the last digits
    return close(levels, device, dtype)


def get_sigmas_exponential(n: int, sigma_min: float, sigma_max: float, device: Device = "cpu", dtype: torch.dtype | None = None) -> Tensor:
    """(n + 1,) levels of one ratio, evenly apart in ln σ, and a 0. Raises RequestError for unusable ends."""
    return get_sigmas_polyexponential(n, sigma_min, sigma_max, 1.0, device, dtype)


def get_sigmas_polyexponential(
    n: int, sigma_min: float, sigma_max: float, rho: float = 1.0, device: Device = "cpu", dtype: torch.dtype | None = None
) -> Tensor:
    """(n + 1,) levels whose ln σ follows a ramp to the power `rho`, and a 0, as in k-diffusion. Raises RequestError for unusable ends."""
    low, high = check_ends(n, sigma_min, sigma_max)
    if not rho > 0:
        raise RequestError(
            f"rho is {rho!r}", where="rho", why="it is the power of a ramp in ln σ", fix="a number above 0; 1 is exponential"
        )
    levels = torch.exp((1 - ramp(n)) ** rho * math.log(high / low) + math.log(low))
    levels[0] = high
    return close(levels, device, dtype)


def get_sigmas_linear(n: int, sigma_min: float, sigma_max: float, device: Device = "cpu", dtype: torch.dtype | None = None) -> Tensor:
    """(n + 1,) levels evenly apart in σ itself, and a 0. Raises RequestError for unusable ends."""
    low, high = check_ends(n, sigma_min, sigma_max)
    return close(high + ramp(n) * (low - high), device, dtype)


def get_sigmas_beta(
    n: int,
    sigma_min: float,
    sigma_max: float,
    alpha: float = 0.6,
    beta: float = 0.6,
    device: Device = "cpu",
    dtype: torch.dtype | None = None,
) -> Tensor:
    """(n + 1,) levels between the ends at even quantiles of a Beta distribution, and a 0: Lee et al. (2024), Beta Sampling.

    Small `alpha` and `beta` put steps at both ends. Raises RequestError for unusable ends and for parameters that are not above 0.
    """
    from scipy.special import betaincinv

    low, high = check_ends(n, sigma_min, sigma_max)
    if not (alpha > 0 and beta > 0):
        raise RequestError(
            f"alpha is {alpha!r} and beta {beta!r}", where="alpha, beta", why="both are above 0", fix="0.6 and 0.6, the paper's"
        )
    quantiles = torch.from_numpy(betaincinv(alpha, beta, (1 - ramp(n)).numpy()))
    return close(low + quantiles * (high - low), device, dtype)


def get_sigmas_vp(
    n: int,
    beta_d: float = 19.9,
    beta_min: float = 0.1,
    eps_s: float = 1e-3,
    device: Device = "cpu",
    dtype: torch.dtype | None = None,
) -> Tensor:
    """(n + 1,) levels of the variance-preserving process of Song et al. (2021) at even times from 1 to `eps_s`, and a 0.

    σ(t) = √(exp(½ beta_d t² + beta_min t) − 1). Raises RequestError where those levels do not fall.
    """
    check_count(n)
    if not _rises(beta_d, beta_min, eps_s):
        told = f"beta_d {beta_d!r}, beta_min {beta_min!r}, eps_s {eps_s!r}"
        why = "noise grows with time from eps_s, which is between 0 and 1, to 1"
        raise RequestError(f"no noise levels with {told}", where="vp", why=why, fix="19.9, 0.1 and 0.001, the paper's")
    times = 1 + ramp(n) * (eps_s - 1)
    return close(torch.sqrt(torch.special.expm1(beta_d * times**2 / 2 + beta_min * times)), device, dtype)


def fit_vp(sigma_min: float, sigma_max: float, eps_s: float = 1e-3) -> tuple[float, float]:
    """`beta_d` and `beta_min` with which the levels of `get_sigmas_vp` end at these: Karras et al. (2022), published code of table 1.

    Raises RequestError where there are none: with much noise as early as `eps_s` it could not grow from there.
    """
    low, high = check_ends(1, sigma_min, sigma_max)
    beta_d = 2 * (math.log1p(low**2) / eps_s - math.log1p(high**2)) / (eps_s - 1)
    beta_min = math.log1p(high**2) - beta_d / 2
    if not _rises(beta_d, beta_min, eps_s):
        told = f"the schedule vp cannot go from {high:g} down to {low:g} at the time {eps_s:g}"
        raise RequestError(told, where="sigmas", why="noise grows with time", fix="a larger eps_s, or another schedule, such as karras")
    return beta_d, beta_min


def _rises(beta_d: float, beta_min: float, eps_s: float) -> bool:
    """Whether ½ beta_d t² + beta_min t is above 0 and grows from `eps_s` to 1."""
    return 0 < eps_s < 1 and min(beta_d + beta_min, beta_d * eps_s + beta_min, beta_d * eps_s / 2 + beta_min) > 0
