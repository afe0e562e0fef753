"""Losses of two outputs: which is higher, or whether they are alike."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional

from trainwright.config.errors import DataError
from trainwright.losses.base import Reduction
from trainwright.losses.checks import misfit, same_shape
from trainwright.losses.of_signs import OfSigns
from trainwright.losses.options import CosineEmbeddingOptions, MarginRankingOptions


class MarginRanking(OfSigns):
    """max(0, −y (x1 − x2) + margin)."""

    options: MarginRankingOptions
    takes = ("input1", "input2")
    counts = "elements"

    def compute(self, reduction: Reduction, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """The loss of every pair, or their sum."""
        if input1.shape != target.shape or input2.shape != target.shape:
            self.check_arguments(input1, input2, target)
        return functional.margin_ranking_loss(input1, input2, target, self.options.margin, reduction=reduction)

    def check_arguments(self, input1: Tensor, input2: Tensor, target: Tensor) -> None:
        """Refuses shapes that would be broadcast."""
        alike(self.name, input1, input2)
        same_shape(self.name, input1, target)


class CosineEmbedding(OfSigns):
    """1 − cos(x1, x2) where y = 1, max(0, cos(x1, x2) − margin) where y = −1; x (b, d), y (b)."""

    options: CosineEmbeddingOptions
    takes = ("input1", "input2")
    counts = "rows"

    def compute(self, reduction: Reduction, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """The loss of every pair, or their sum."""
        if input1.shape != input2.shape:
            alike(self.name, input1, input2)
        return functional.cosine_embedding_loss(input1, input2, target, self.options.margin, reduction=reduction)

    def check_arguments(self, input1: Tensor, input2: Tensor, target: Tensor) -> None:
        """Refuses embeddings of two shapes, and targets that are not one number per pair."""
        alike(self.name, input1, input2)
        if input1.dim() != 2 or target.shape != input1.shape[:1]:
            fix = "give embeddings (b, d) and one −1 or 1 for each pair, (b): y.squeeze(-1)"
            raise misfit(self.name, "it takes two embeddings and one target for each pair", fix, input1=input1, target=target)


def alike(loss: str, *outputs: Any) -> None:
    """Raises DataError for outputs of different shapes."""
    if len({each.shape for each in outputs}) > 1:
        shapes = ", ".join(str(tuple(each.shape)) for each in outputs)
        why = "they would be broadcast against each other"
        raise DataError(
            f"the loss '{loss}' compares outputs of one shape, not {shapes}", where="loss", why=why, fix="let the model give one shape"
        )
