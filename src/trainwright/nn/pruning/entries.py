"""Pruning of single entries: none, at random, or those of least magnitude."""

from __future__ import annotations

import torch
from torch import Tensor

from trainwright.nn.pruning.base import PruningMethod, ScoredMethod, Tensors


class Identity(PruningMethod):
    """Keeps everything."""

    def __init__(self, options: object = None) -> None:
        self.options = options

    def masks(self, weights: Tensors, kept: Tensors, share: float, generator: torch.Generator) -> dict[str, Tensor]:
        """What is kept so far."""
        return dict(kept)


class Random(ScoredMethod):
    """Prunes entries at random."""

    def scores(self, weight: Tensor, generator: torch.Generator) -> Tensor:
        """Drawn from U(0, 1), on the CPU, so that every device and process draws the same."""
        return torch.rand(weight.shape, generator=generator).to(weight.device)


class L1(ScoredMethod):
    """Prunes the entries of least magnitude."""

    def scores(self, weight: Tensor, generator: torch.Generator) -> Tensor:
        """|w|."""
        return weight.detach().abs().float()


class GlobalRandom(Random):
    """Prunes entries at random, of all weights together."""

    together = True


class GlobalL1(L1):
    """Prunes the entries of least magnitude, of all weights together."""

    together = True
