"""Binary cross-entropy of each value of a set."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from trainwright.features.spec import TargetSpec
from trainwright.nn.losses import SigmoidCrossEntropyOptions
from trainwright.nn.losses.base import RowLoss


class SigmoidCrossEntropy(RowLoss):
    """Binary cross-entropy of each label against multi-hot truth `[b, v]`, averaged over labels; class weights multiply present labels."""

    def __init__(self, options: SigmoidCrossEntropyOptions, target: TargetSpec) -> None:
        super().__init__(options, target)
        self.label_smoothing = options.label_smoothing

    def each(self, output: Tensor, truth: Tensor) -> Tensor:
        smoothed = truth.to(output.dtype)
        if self.label_smoothing:
            smoothed = smoothed * (1 - self.label_smoothing) + self.label_smoothing / 2
        return F.binary_cross_entropy_with_logits(output, smoothed, pos_weight=self.weight, reduction="none").mean(dim=-1)
