"""Binary cross-entropy of one logit."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from trainwright.config.errors import ConfigError
from trainwright.features.spec import TargetSpec
from trainwright.nn.losses import BinaryCrossEntropyOptions
from trainwright.nn.losses.base import RowLoss


class BinaryCrossEntropy(RowLoss):
    """`−q log σ(z) − (1 − q) log σ(−z)` of one logit z, times the weight of the true class; truth is 0 or 1."""

    def __init__(self, options: BinaryCrossEntropyOptions, target: TargetSpec) -> None:
        super().__init__(options, target)
        if target.width != 1:
            raise ConfigError(f"binary_cross_entropy needs one output, not {target.width}", where=target.name, fix="use cross_entropy")
        self.label_smoothing = options.label_smoothing

    def each(self, output: Tensor, truth: Tensor) -> Tensor:
        smoothed = truth.to(output.dtype)
        if self.label_smoothing:
            smoothed = smoothed * (1 - self.label_smoothing) + self.label_smoothing / 2
        rows = F.binary_cross_entropy_with_logits(output.squeeze(-1), smoothed, reduction="none")
        return rows if self.weight is None else rows * self.weight[truth.long()]
