"""Initial weights, drawn from torch's default generator, which the system seeds before it builds its modules."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def uniform_weight(*shape: int, fan_in: int) -> nn.Parameter:
    """Uniform in ±1/√fan_in, what `nn.Linear` starts from."""
    bound = 1.0 / math.sqrt(max(fan_in, 1))
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))


def normal_weight(*shape: int, std: float) -> nn.Parameter:
    """Normal with mean 0 and the given standard deviation."""
    return nn.Parameter(torch.empty(shape).normal_(0.0, std))


def random_signs(*shape: int) -> Tensor:
    """Each −1 or 1 with equal probability."""
    return torch.randint(0, 2, shape).to(torch.get_default_dtype()).mul_(2).sub_(1)
