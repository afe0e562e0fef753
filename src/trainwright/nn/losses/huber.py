"""Huber loss."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from trainwright.features.spec import TargetSpec
from trainwright.nn.losses import HuberOptions
from trainwright.nn.losses.regression import NumberLoss


class Huber(NumberLoss):
    """`e²/2` where `|e| ≤ δ`, else `δ (|e| − δ/2)`, averaged over the values of a row (Huber 1964)."""

    def __init__(self, options: HuberOptions, target: TargetSpec) -> None:
        super().__init__(options, target)
        self.delta = options.delta

    def of_error(self, output: Tensor, truth: Tensor) -> Tensor:
        return F.huber_loss(output, truth, reduction="none", delta=self.delta)
