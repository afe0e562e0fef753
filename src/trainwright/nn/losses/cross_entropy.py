"""Cross-entropy over classes."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from trainwright.features.spec import TargetSpec
from trainwright.nn.losses import CrossEntropyOptions
from trainwright.nn.losses.base import RowLoss


class CrossEntropy(RowLoss):
    """`−Σ_c q_c log p_c` over classes, q the smoothed truth, times the weight of each class; truth is the class index."""

    def __init__(self, options: CrossEntropyOptions, target: TargetSpec) -> None:
        super().__init__(options, target)
        self.label_smoothing = options.label_smoothing

    def each(self, output: Tensor, truth: Tensor) -> Tensor:
        rows = F.cross_entropy(
            output.flatten(0, -2), truth.flatten(), weight=self.weight, reduction="none", label_smoothing=self.label_smoothing
        )
        return rows.view(truth.shape)

    def total(self, output: Float[Tensor, "b *k o"], truth: Int[Tensor, " b"]) -> Float[Tensor, ""]:
        if output.dim() == 2:
            return F.cross_entropy(output, truth, weight=self.weight, reduction="sum", label_smoothing=self.label_smoothing)
        members = output.shape[1]
        repeated = truth.repeat_interleave(members)
        summed = F.cross_entropy(output.flatten(0, 1), repeated, weight=self.weight, reduction="sum", label_smoothing=self.label_smoothing)
        return summed / members
