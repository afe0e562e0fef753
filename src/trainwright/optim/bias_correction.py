"""What running means that begin at zero are divided by (Kingma and Ba 2015, section 3)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def bias_correction(beta: float, step: Tensor) -> Tensor:
    """1 − beta^step for a step count in float32, exact for beta near 1 and without waiting for the device."""
    return -torch.expm1(step * math.log(beta)) if beta else torch.ones_like(step)
