"""The noise levels that a sampler is given, as numbers that can be walked down, or an error that names the one that cannot."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import RequestError

SCALED = 3.0
"""By how much the deviation of x may be off its noise level before it is warned of."""
TABLE_SLACK = 1e-3
"""By what share a level may lie beyond the table of a model with discrete times: published levels are rounded."""


def read_levels(sigmas: Tensor | Sequence[float], sampler: str) -> list[float]:
    """Noise levels (n + 1,) as floats: strictly falling, finite, above 0 but for a last 0; raises RequestError naming one that is not.

    Levels on a GPU are fetched here, once, so that no loop waits for it.
    """
    levels = _as_floats(sigmas, sampler)
    if len(levels) < 2:
        raise RequestError(
            f"{sampler} was given {len(levels)} noise levels", where="sigmas", why="a step leads from one to the next", fix="at least 2"
        )
    for i, sigma in enumerate(levels):
        last = i == len(levels) - 1
        if not math.isfinite(sigma) or sigma < 0 or (sigma == 0 and not last):
            why = "noise levels are above 0 and finite; only the last may be 0"
            raise RequestError(f"sigmas[{i}] is {sigma:g}", where=sampler, why=why, fix="numbers that fall to a last 0: [80, 10, 1, 0]")
        if i and sigma >= levels[i - 1]:
            said = "repeats" if sigma == levels[i - 1] else "is above"
            why = "noise levels fall from step to step" + (", and a repeated one is a step of no length" if said == "repeats" else "")
            fix = "sigma_min and sigma_max may have changed places" if said == "is above" else "leave one of them out"
            raise RequestError(f"sigmas[{i}] = {sigma:g} {said} sigmas[{i - 1}] = {levels[i - 1]:g}", where=sampler, why=why, fix=fix)
    return levels


def _as_floats(sigmas: Any, sampler: str) -> list[float]:
    if isinstance(sigmas, int | float):
        why = "all samplers take a sequence of noise levels, dpm_fast and dpm_adaptive too: their ends are its first and last above 0"
        raise RequestError(
            f"{sampler} was given one number, {sigmas:g}, as sigmas", where="sigmas", why=why, fix="sigmas=[sigma_max, sigma_min]"
        )
    try:
        found = sigmas if isinstance(sigmas, Tensor) else torch.as_tensor(sigmas, dtype=torch.float64)
    except (TypeError, ValueError) as error:
        fix = "a sequence of numbers, as get_sigmas_karras(20, 0.02, 80) gives"
        raise RequestError(f"sigmas are no noise levels: {sigmas!r}", where=sampler, fix=fix) from error
    if found.ndim != 1:
        raise RequestError(
            f"sigmas have the shape {tuple(found.shape)}", where=sampler, why="they are one row of noise levels", fix="sigmas.flatten()"
        )
    return [float(each) for each in found.detach().tolist()]


def check_table(levels: list[float], table: Tensor | None, sampler: str) -> None:
    """Raises RequestError for levels beyond the `table` (rising levels) of a model with discrete times, which was never trained there."""
    if table is None:
        return
    low, high = float(table[0]), float(table[-1])
    outside = [(i, s) for i, s in enumerate(levels) if s > high * (1 + TABLE_SLACK) or 0 < s < low * (1 - TABLE_SLACK)]
    if outside:
        i, sigma = outside[0]
        why = f"the model has discrete times, and its table goes from {low:g} to {high:g}"
        raise RequestError(
            f"sigmas[{i}] = {sigma:g} is outside the table of the model", where=sampler, why=why, fix="levels between the two"
        )


def warn_of_scale(x: Tensor, sigma: float) -> None:
    """Warns where the numbers of `x` cannot be noise of deviation `sigma` with or without data: then it was not scaled, or twice."""
    if x.numel() < 64 or x.is_meta:
        return
    deviation = float(x.detach().float().std())
    unscaled = deviation < sigma / SCALED
    if unscaled or (deviation > sigma * SCALED and sigma >= 10):
        told = f"x has a deviation of {deviation:.3g} at the first noise level {sigma:.3g}"
        fix = "x should be noise × sigmas[0], or data + noise × sigmas[0]"
        warnings.warn(f"{told}: {fix}", UserWarning, stacklevel=3)
