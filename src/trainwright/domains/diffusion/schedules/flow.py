"""Noise levels of flow matching: even times from noise to data, shifted."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.schedules.levels import Device, check_ends, close

Times = TypeVar("Times", float, Tensor)


def shift_times(times: Times, shift: float) -> Times:
    """Times of 0 to 1 moved towards noise, t' = shift·t / (1 + (shift − 1)·t): Esser et al. (2024), equation 23.

    In terms of σ = t / (1 − t) it multiplies by shift.
    """
    return shift * times / (1 + (shift - 1) * times)


def get_sigmas_flow(
    n: int,
    sigma_max: float,
    shift: float = 1.0,
    device: Device = "cpu",
    dtype: torch.dtype | None = None,
) -> Tensor:
    """(n + 1,) levels σ = t / (1 − t) of times that fall evenly from that of `sigma_max` to 0, after `shift` (3: Stable Diffusion 3).

    With flow matching, x_t = (1 − t)·data + t·noise is x / (1 + σ). Pure noise, t = 1, would be an infinite σ: `sigma_max` stands for
    it. Raises RequestError for an unusable `sigma_max` or `shift`.
    """
    if not shift > 0:
        raise RequestError(f"shift is {shift!r}", where="shift", fix="a number above 0; above 1, more steps are at high noise")
    _, high = check_ends(n, sigma_max / 2, sigma_max)
    first = high / (shift + high)  # the time that the shift moves to sigma_max
    times = shift_times(first * (1 - torch.arange(n, dtype=torch.float64) / n), shift)
    levels = times / (1 - times)
    levels[0] = high
    return close(levels, device, dtype)
