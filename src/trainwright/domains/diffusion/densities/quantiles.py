"""Quantiles of σ: each takes shares `u` in (0, 1) as float64 `(…)` and gives the σ below which that share lies."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

TAIL = 1e-7
"""Share that is left out of either tail where it has no end."""


def within(u: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
    """Shares between both tails, as k-diffusion squeezes them: 1e-7 + (1 − 2e-7)·u."""
    return u * (1 - 2 * TAIL) + TAIL


def log_normal(u: Float[Tensor, "*b"], loc: float, scale: float) -> Float[Tensor, "*b"]:
    """exp(loc + scale · Φ⁻¹(u)), from −5.2 to 5.2 standard deviations (Karras et al. 2022, table 1)."""
    return torch.special.ndtri(within(u)).mul_(scale).add_(loc).exp_()


def split_log_normal(u: Float[Tensor, "*b"], loc: float, scale_1: float, scale_2: float) -> Float[Tensor, "*b"]:
    """Two half-normal densities of ln σ, the lower with the share scale_1 / (scale_1 + scale_2)."""
    lower = scale_1 / (scale_1 + scale_2)
    u = within(u)
    below = scale_1 * torch.special.ndtri((u / (2 * lower)).clamp(max=0.5))
    above = scale_2 * torch.special.ndtri(((u - lower) / (1 - lower)).clamp(min=0) / 2 + 0.5)
    return (loc + below + above).exp()  # one of the two is 0


def log_logistic(u: Float[Tensor, "*b"], loc: float, scale: float, min_value: float, max_value: float) -> Float[Tensor, "*b"]:
    """exp(loc + scale · logit(u')), u' between the shares of both ends."""
    low = logistic(math.log(min_value), loc, scale) if min_value > 0 else 0.0
    high = logistic(math.log(max_value), loc, scale) if math.isfinite(max_value) else 1.0
    return (loc + scale * torch.logit(low + u * (high - low), eps=TAIL**2)).exp()


def logistic(value: float, loc: float, scale: float) -> float:
    """Share of a logistic density below a value."""
    return 0.5 + 0.5 * math.tanh((value - loc) / (2 * scale))


def log_uniform(u: Float[Tensor, "*b"], min_value: float, max_value: float) -> Float[Tensor, "*b"]:
    """min^(1 − u) · max^u."""
    low, high = math.log(min_value), math.log(max_value)
    return (low + u * (high - low)).exp()


def v_diffusion(u: Float[Tensor, "*b"], sigma_data: float, min_value: float, max_value: float) -> Float[Tensor, "*b"]:
    """σ_data · tan(πu' / 2), u' between the shares of both ends (Salimans & Ho 2022)."""
    low, high = (math.atan(each / sigma_data) for each in (min_value, max_value))
    return (low + u.clamp(TAIL**2, 1 - TAIL**2) * (high - low)).tan() * sigma_data


def cosine_interpolated(
    u: Float[Tensor, "*b"],
    image_d: float,
    noise_d_low: float,
    noise_d_high: float,
    sigma_data: float,
    min_value: float,
    max_value: float,
) -> Float[Tensor, "*b"]:
    """Falls as u grows: log-SNR of two shifted cosine schedules, one turning into the other (Hoogeboom et al. 2023, section 3.1)."""
    ends = tuple(-2 * math.log(each / sigma_data) for each in (min_value, max_value))
    low, high = (_shifted_cosine(u, 2 * math.log(noise_d / image_d), *ends) for noise_d in (noise_d_low, noise_d_high))
    return (low + u * (high - low)).mul(-0.5).exp() * sigma_data


def _shifted_cosine(u: Float[Tensor, "*b"], shift: float, first: float, last: float) -> Float[Tensor, "*b"]:
    """Log-SNR from `first` at u = 0 to `last` at 1, moved by `shift` in between."""
    begin, end = math.atan(math.exp(-0.5 * (last - shift))), math.atan(math.exp(-0.5 * (first - shift)))
    return -2 * (begin + u * (end - begin)).tan().log() + shift


def uniform_time(u: Float[Tensor, "*b"], shift: float, epsilon: float) -> Float[Tensor, "*b"]:
    """s·t / (1 − t), t uniform from ε to 1 − ε: the σ of t' = s·t / (1 + (s − 1)·t) (Esser et al. 2024, equation 23)."""
    t = epsilon + u * (1 - 2 * epsilon)
    return shift * t / (1 - t)


def mode(u: Float[Tensor, "*b"], scale: float, epsilon: float) -> Float[Tensor, "*b"]:
    """Falls as u grows: t / (1 − t), t = 1 − u − s·(cos²(πu/2) − 1 + u) from ε to 1 − ε (Esser et al. 2024, equation 20)."""
    t = 1 - u - scale * ((math.pi * u / 2).cos() ** 2 - 1 + u)
    return t.clamp(epsilon, 1 - epsilon) / (1 - t.clamp(epsilon, 1 - epsilon))


def discrete(u: Float[Tensor, "*b"], sigmas: Float[Tensor, " t"]) -> Float[Tensor, "*b"]:
    """Each of the levels as often."""
    return sigmas.to(u)[(u * len(sigmas)).long().clamp(0, len(sigmas) - 1)]
