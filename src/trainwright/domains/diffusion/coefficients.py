"""Numbers per row: worked out in float64 where the device has it, whatever the samples are in."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from trainwright.nn.dims import append_dims


def widest(device: torch.device | str) -> torch.dtype:
    """float64, or float32 on Apple's GPUs, which have no float64."""
    return torch.float32 if torch.device(device).type == "mps" else torch.float64


def widen(sigma: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """Levels of noise in the widest format of their device."""
    return sigma.to(widest(sigma.device))


def per_row(coefficient: Float[Tensor, ...], x: Float[Tensor, "b ..."], leading: int = 1) -> Float[Tensor, ...]:
    """One number per row in the format and with the dimensions of `x`, to multiply it with; several, `(n, b)`, with `leading` 2."""
    return append_dims(coefficient.to(x.dtype), x.ndim + leading - 1)
