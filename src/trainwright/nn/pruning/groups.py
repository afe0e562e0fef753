"""Semi-structured pruning: of each group of consecutive inputs a fixed number is kept (2:4 and the like)."""

from __future__ import annotations

import torch
from torch import Tensor

from trainwright.nn.pruning.base import PruningMethod, Tensors
from trainwright.nn.pruning.options import SemiStructuredOptions


class SemiStructured(PruningMethod):
    """Keeps the largest of each group of inputs."""

    follows_schedule = False

    def __init__(self, options: SemiStructuredOptions) -> None:
        self.options = options

    def refusal(self, weight: Tensor) -> str:
        """Groups lie along the inputs, dimension 1."""
        if weight.dim() < 2:
            return "it is a vector: it has no inputs to group"
        inputs, group = weight.shape[1], self.options.of
        return "" if inputs % group == 0 else f"its {inputs} inputs are no multiple of {group}"

    def masks(self, weights: Tensors, kept: Tensors, share: float, generator: torch.Generator) -> dict[str, Tensor]:
        """Of each group the entries of largest magnitude; of equal ones the first."""
        return {name: self._mask(weight.detach(), kept[name]) for name, weight in weights.items()}

    def _mask(self, weight: Tensor, kept: Tensor) -> Tensor:
        worth = weight.abs().masked_fill(~kept, -1).movedim(1, -1)
        groups = torch.unflatten(worth, -1, (-1, self.options.of))
        order = groups.argsort(dim=-1, descending=True, stable=True)
        chosen = torch.zeros_like(groups, dtype=torch.bool).scatter_(-1, order[..., : self.options.keep], True)
        return kept & chosen.flatten(-2).movedim(-1, 1)
