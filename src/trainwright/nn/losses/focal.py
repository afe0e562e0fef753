"""Focal loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from trainwright.features.spec import TargetSpec
from trainwright.nn.losses import FocalOptions
from trainwright.nn.losses.base import RowLoss


class Focal(RowLoss):
    """`−(1 − p)^γ log p`, p the probability of the true class, times its weight (Lin et al. 2017, eq. 4); one logit or one per class."""

    def __init__(self, options: FocalOptions, target: TargetSpec) -> None:
        super().__init__(options, target)
        self.gamma = options.gamma

    def each(self, output: Tensor, truth: Tensor) -> Tensor:
        index = truth.long()
        if output.shape[-1] == 1:
            log_p = F.logsigmoid(torch.where(index == 1, output.squeeze(-1), -output.squeeze(-1)))
        else:
            log_p = output.log_softmax(dim=-1).gather(-1, index.unsqueeze(-1)).squeeze(-1)
        # log_p is clamped below zero because the gradient of (1 − p)^γ is infinite at p = 1 for γ < 1
        rows = -(1 - log_p.clamp_max(-1e-6).exp()).pow(self.gamma) * log_p
        return rows if self.weight is None else rows * self.weight[index]
