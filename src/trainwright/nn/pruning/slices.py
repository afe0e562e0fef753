"""Structured pruning: whole slices of a weight along one dimension."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from trainwright.nn.pruning.base import PruningMethod, Tensors, due, lowest
from trainwright.nn.pruning.options import LnStructuredOptions, RandomStructuredOptions, StructuredOptions


class StructuredMethod(PruningMethod):
    """Prunes the slices with the lowest scores; the amount counts slices of each weight."""

    def __init__(self, options: StructuredOptions) -> None:
        self.options, self.dim = options, options.dim

    @abstractmethod
    def slice_scores(self, weight: Tensor, generator: torch.Generator) -> Tensor:
        """How much each slice along `dim` is worth."""

    def refusal(self, weight: Tensor) -> str:
        """A weight of fewer dimensions has no such slices."""
        if weight.dim() < 2:
            return "it is a vector: it has no slices"
        return "" if -weight.dim() <= self.dim < weight.dim() else f"it has {weight.dim()} dimensions, and no dim {self.dim}"

    def masks(self, weights: Tensors, kept: Tensors, share: float, generator: torch.Generator) -> dict[str, Tensor]:
        """What was kept of the slices whose scores are not among the lowest; a slice is gone when nothing of it is kept."""
        return {name: self._mask(name, weight, kept[name], share, generator) for name, weight in weights.items()}

    def _mask(self, name: str, weight: Tensor, kept: Tensor, share: float, generator: torch.Generator) -> Tensor:
        there = in_slices(kept, self.dim).any(dim=1)
        scores = self.slice_scores(weight.detach(), generator).masked_fill(~there, -torch.inf)
        count = max(due(name, self.options.amount, len(there), share), int((~there).sum()))
        shape = [1] * weight.dim()
        shape[self.dim] = -1
        return kept & ~lowest(scores, count).view(shape)


class RandomStructured(StructuredMethod):
    """Prunes slices at random."""

    options: RandomStructuredOptions

    def slice_scores(self, weight: Tensor, generator: torch.Generator) -> Tensor:
        """Drawn from U(0, 1), on the CPU."""
        return torch.rand(weight.shape[self.dim], generator=generator).to(weight.device)


class LnStructured(StructuredMethod):
    """Prunes the slices of least n-norm."""

    options: LnStructuredOptions

    def slice_scores(self, weight: Tensor, generator: torch.Generator) -> Tensor:
        """‖slice‖ₙ; with n = ±inf its largest or least magnitude."""
        return torch.linalg.vector_norm(in_slices(weight, self.dim).float(), ord=self.options.n, dim=1)


def in_slices(weight: Tensor, dim: int) -> Tensor:
    """A row for each slice along `dim`."""
    return weight.movedim(dim, 0).flatten(1)
