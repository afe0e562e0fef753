"""Sampling that starts from a sample with some noise on it, in place of noise alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import RequestError

Sampler = Callable[..., Tensor]
"""`sample_NAME(denoiser, x, sigmas, extra_args=…)`."""


def sigmas_from(sigmas: Tensor | Sequence[float], sigma: float) -> Tensor:
    """The levels from `sigma` on, any level within a falling schedule: `sigma` itself, then those below it.

    Raises RequestError where it is not within the schedule.
    """
    levels = torch.as_tensor(sigmas)
    if not float(levels[-1]) < sigma <= float(levels[0]):
        ends = f"{float(levels[0]):g} to {float(levels[-1]):g}"
        raise RequestError(f"sampling from sigma {sigma:g}", why=f"the schedule goes from {ends}", fix="give a level within it")
    return torch.cat([levels.new_tensor([sigma]), levels[levels < sigma]])


def sigmas_of_strength(sigmas: Tensor | Sequence[float], strength: float) -> Tensor:
    """The last share `strength` of the steps of a schedule, one step at least: 1 is all of it, and keeps little of what it starts from.

    Raises RequestError where it is no share above 0.
    """
    if not 0 < strength <= 1:
        raise RequestError(
            f"strength {strength:g}", why="it is the share of the steps that is taken, above 0 and up to 1", fix="strength=0.6"
        )
    levels = torch.as_tensor(sigmas)
    return levels[len(levels) - 1 - max(1, round(strength * (len(levels) - 1))) :]


def image_to_image(
    sampler: Sampler,
    denoiser: Callable[..., Tensor],
    clean: Tensor,
    noise: Tensor,
    sigmas: Tensor | Sequence[float],
    *,
    strength: float | None = None,
    sigma: float | None = None,
    extra_args: Mapping[str, Any] | None = None,
    **options: Any,
) -> Tensor:
    """`clean` (b, …) with `noise` of deviation 1 put on up to `sigma`, or `strength` of the steps, and taken off again.

    After SDEdit (Meng et al. 2022), for pictures, signals and vectors alike. Raises RequestError where shapes differ, or where not one of
    `strength` and `sigma` is given.
    """
    check_like(noise, clean, "noise")
    if (strength is None) == (sigma is None):
        raise RequestError("strength and sigma say both how much is changed", fix="give one of them: strength=0.6, or sigma=2.0")
    levels = sigmas_of_strength(sigmas, strength) if strength is not None else sigmas_from(sigmas, float(sigma or 0.0))
    return sampler(denoiser, clean + noise * float(levels[0]), levels, extra_args=dict(extra_args or {}), **options)


def check_like(given: Tensor, clean: Tensor, name: str) -> None:
    """Raises RequestError where a tensor has not the shape of the samples."""
    if given.shape != clean.shape:
        raise RequestError(
            f"{name} {tuple(given.shape)} for samples {tuple(clean.shape)}", where=name, fix="as many numbers as the samples have"
        )
