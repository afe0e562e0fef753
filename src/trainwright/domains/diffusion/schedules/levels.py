"""What every schedule of noise levels begins and ends with: ends that can be used, and levels of float64 that get their dtype last."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainwright.config.errors import RequestError

Device = torch.device | str | None


def check_count(n: int) -> None:
    """Raises RequestError unless `n`, how many levels are above 0, is a whole number from 1."""
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise RequestError(f"{n!r} levels of noise were asked for", where="n", fix="a whole number from 1: one for each step")


def check_ends(n: int, sigma_min: float, sigma_max: float) -> tuple[float, float]:
    """`sigma_min` and `sigma_max` as floats; raises RequestError unless 0 < sigma_min < sigma_max < infinity and `n` is from 1."""
    check_count(n)
    low, high = float(sigma_min), float(sigma_max)
    asked = f"noise levels from {high:g} down to {low:g} were asked for"
    if not 0 < low < math.inf or not 0 < high < math.inf:
        why = "both are above 0 and finite; the 0 at the end is added"
        raise RequestError(asked, where="sigma_min, sigma_max", why=why, fix="sigma_min=0.002, sigma_max=80, as of EDM")
    if low >= high:
        fix = f"sigma_min={high:g}, sigma_max={low:g}" if low > high else "a sigma_max above sigma_min"
        raise RequestError(asked, where="sigma_min, sigma_max", why="sigma_min is below sigma_max", fix=fix)
    return low, high


def ramp(n: int) -> Tensor:
    """(n,) numbers of float64 from 0 to 1, both included; a single one is 0."""
    return torch.linspace(0, 1, n, dtype=torch.float64)


def append_zero(levels: Tensor) -> Tensor:
    """(n + 1,) levels: (n,) levels and a 0, as k-diffusion's function of the same name."""
    return torch.cat([levels, levels.new_zeros(1)])


def close(levels: Tensor, device: Device, dtype: torch.dtype | None) -> Tensor:
    """(n,) levels of float64 as (n + 1,) with a 0 at the end, of `dtype` (torch's default without one) on `device`."""
    return append_zero(levels).to(dtype=torch.get_default_dtype() if dtype is None else dtype, device="cpu" if device is None else device)
