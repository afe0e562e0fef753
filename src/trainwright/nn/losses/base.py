"""What losses share: rows, members, class weights."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from trainwright.config.model import PartConfig
from trainwright.features.spec import TargetSpec


class RowLoss(nn.Module):
    """Outputs `[b, o]` or, with members, `[b, k, o]`, and truth → a loss per row `[b]`, the mean over members."""

    weight: Tensor | None

    def __init__(self, options: PartConfig, target: TargetSpec) -> None:
        super().__init__()
        weights = None if target.class_weights is None else torch.tensor(target.class_weights)
        self.register_buffer("weight", weights, persistent=False)

    def forward(self, output: Float[Tensor, "b *k o"], truth: Shaped[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        """The loss of every row."""
        if output.dim() == 3:
            return self.each(output, truth.unsqueeze(1).expand(truth.shape[0], output.shape[1], *truth.shape[1:])).mean(dim=1)
        return self.each(output, truth)

    def total(self, output: Float[Tensor, "b *k o"], truth: Shaped[Tensor, "b ..."]) -> Float[Tensor, ""]:
        """The sum over rows, in as few operations as the loss allows."""
        return self(output, truth).sum()

    def each(self, output: Tensor, truth: Tensor) -> Tensor:
        """The loss of every row and member: `output` `[…, o]`, `truth` `[…]` or `[…, v]` → `[…]`."""
        raise NotImplementedError
