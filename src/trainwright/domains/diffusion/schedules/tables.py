"""Schedules out of tables: levels that others optimised, and steps through the table of a model with discrete times."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from trainwright.config.errors import RequestError, did_you_mean
from trainwright.domains.diffusion.schedules.levels import Device, check_count, close, ramp

Spacing = Literal["trailing", "leading", "linspace"]

ALIGN_YOUR_STEPS: dict[str, tuple[float, ...]] = {
    "sd15": (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152),
    "sdxl": (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113),
    "svd": (700.0, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034),
}
"""Levels of ten steps that Sabour et al. (2024), "Align Your Steps", found for Stable Diffusion 1.5, XL and Stable Video Diffusion."""


def get_sigmas_align_your_steps(
    n: int, levels: str | Sequence[float] = "sd15", device: Device = "cpu", dtype: torch.dtype | None = None
) -> Tensor:
    """(n + 1,) levels of a table (a name of `ALIGN_YOUR_STEPS`, or falling numbers above 0), and a 0; in between, ln σ is linear.

    As Sabour et al. (2024) advise for other numbers of steps than ten. Raises RequestError for an unknown or unusable table.
    """
    check_count(n)
    table = _named(levels) if isinstance(levels, str) else tuple(float(each) for each in levels)
    _check_falling(table)
    logs = torch.tensor([math.log(each) for each in table], dtype=torch.float64)
    return close(interpolate(logs, ramp(n) * (len(table) - 1)).exp(), device, dtype)


def get_sigmas_uniform(
    n: int, table: Tensor | Sequence[float], spacing: Spacing = "linspace", device: Device = "cpu", dtype: torch.dtype | None = None
) -> Tensor:
    """(n + 1,) levels at even times of a model's table (T rising levels, as `sigmas` of discrete denoisers), and a 0.

    Of 1000 times and 5 steps: `trailing` 999 799 599 399 199, `leading` 800 600 400 200 0, `linspace` 999 749.25 499.5 249.75 0 (as
    k-diffusion, between two times ln σ is linear); Lin et al. (2024), "Common Diffusion Noise Schedules", table 2: leading never
    starts at pure noise. Raises RequestError for more steps than the table has, and for a table that does not rise.
    """
    check_count(n)
    known = torch.as_tensor(table, dtype=torch.float64, device="cpu").flatten()
    _check_rising(known)
    if n > len(known):
        raise RequestError(f"{n} steps through a table of {len(known)} levels", where="n", fix=f"at most {len(known)}")
    return close(interpolate(known.log(), _times(n, len(known), spacing)).exp(), device, dtype)


def get_sigmas_simple(n: int, table: Tensor | Sequence[float], device: Device = "cpu", dtype: torch.dtype | None = None) -> Tensor:
    """(n + 1,) levels: every so-manieth of a model's table from the noisiest on, and a 0; what web UIs call "simple" and "SGM uniform"."""
    return get_sigmas_uniform(n, table, "trailing", device, dtype)


def interpolate(values: Tensor, places: Tensor) -> Tensor:
    """`values` (T,) at `places` (n,), numbers from 0 to T − 1 that need not be whole; linear in between."""
    below = places.floor().long().clamp(0, len(values) - 1)
    above = (below + 1).clamp(max=len(values) - 1)
    return torch.lerp(values[below], values[above], places - below)


def _times(n: int, count: int, spacing: Spacing) -> Tensor:
    if spacing == "linspace":
        return (1 - ramp(n)) * (count - 1)
    steps = torch.arange(n, dtype=torch.float64)
    if spacing == "leading":
        return (count // n) * (n - 1 - steps)
    if spacing == "trailing":
        return (count - steps * (count / n)).round() - 1
    raise RequestError(f"unknown spacing '{spacing}'", where="spacing", fix=did_you_mean(spacing, ("trailing", "leading", "linspace")))


def _named(name: str) -> tuple[float, ...]:
    folded = name.lower().replace("-", "").replace("_", "").replace(".", "").removeprefix("stablediffusion")
    found = ALIGN_YOUR_STEPS.get({"xl": "sdxl", "15": "sd15", "sd": "sd15"}.get(folded, folded))
    if found is None:
        raise RequestError(f"no table '{name}' of noise levels", where="levels", fix=did_you_mean(name, ALIGN_YOUR_STEPS))
    return found


def _check_falling(table: tuple[float, ...]) -> None:
    if not table or not all(0 < each < math.inf for each in table):
        raise RequestError(
            f"{len(table)} levels, not all above 0 and finite", where="levels", fix="falling numbers above 0; the 0 is added"
        )
    for place, (one, other) in enumerate(itertools.pairwise(table)):
        if one <= other:
            raise RequestError(
                f"level {place + 1} is {other:g} after {one:g}", where=f"levels[{place + 1}]", why="levels fall", fix="leave it out"
            )


def _check_rising(table: Tensor) -> None:
    if not len(table) or not bool((table > 0).all()) or not bool(table.isfinite().all()):
        what = "the table of noise levels has some that are not above 0 and finite"
        raise RequestError(what, where="table", fix="a level for each time, rising: sigmas_of(alphas_cumprod)")
    if len(table) > 1 and not bool((table.diff() > 0).all()):
        raise RequestError("the table of noise levels does not rise", where="table", why="time 0 has the least noise", fix="table.flip(0)")
