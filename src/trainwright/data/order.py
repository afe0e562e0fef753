"""The order in which the training rows of an epoch are seen: a pure function of (seed, epoch, number of rows)."""

from __future__ import annotations

import torch
from torch import Tensor

from trainwright.data.counters import fold


def epoch_order(seed: int, epoch: int, n: int) -> Tensor:
    """A permutation of 0…n−1 (int64, n): every row once, in the order of this epoch."""
    generator = torch.Generator()
    generator.manual_seed(fold(seed, "order", epoch))
    return torch.randperm(n, generator=generator)
