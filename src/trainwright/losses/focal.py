"""Focal loss, over classes and over logits of 0/1."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from trainwright.losses.activations import Takes
from trainwright.losses.base import Count, Reduction, reduce_items
from trainwright.losses.checks import misfit, same_shape, within
from trainwright.losses.classes import NONE_IGNORED, IndexCriterion, check_classes, check_index, check_logits
from trainwright.losses.options import FocalOptions

NEAR_ZERO = -1e-6
"""Log-probabilities are cut here, because the gradient of (1 − p)^γ is infinite at p = 1 for γ < 1."""


class Focal(IndexCriterion):
    """−α (1 − p)^γ log p, p the probability of the truth (Lin et al. 2017, eq. 5); the mean is over items, without their weights."""

    options: FocalOptions
    index_types = (torch.int64,)

    def read_expected(self, *arguments: Any) -> Takes:
        """Logits of 0/1, or of classes."""
        return "logits" if arguments[1].is_floating_point() else "class logits"

    def compute(self, reduction: Reduction, output: Tensor, target: Tensor) -> Tensor:
        """The loss of every item (pixel, logit), or their sum; an item left out costs 0."""
        if target.is_floating_point():
            return reduce_items(self._binary(output, target), reduction)
        left_out, weight = self.find_ignored(target), self.weight("class_weight", output)
        kept = target != left_out
        index = target.where(kept, 0) if left_out != NONE_IGNORED else target
        log_p = output.log_softmax(dim=1).gather(1, index.unsqueeze(1)).squeeze(1)
        each = self._discount(log_p)
        each = each if weight is None else each * weight[index]
        return reduce_items(each if left_out == NONE_IGNORED else each * kept, reduction)

    def count(self, output: Tensor, target: Tensor) -> Count:
        """Items without those left out, whatever they weigh."""
        left_out = NONE_IGNORED if target.is_floating_point() else self.find_ignored(target)
        return target.numel() if left_out == NONE_IGNORED else (target != left_out).sum()

    def _binary(self, output: Tensor, target: Tensor) -> Tensor:
        if output.shape != target.shape:
            same_shape(self.name, output, target)
        each = self._discount(functional.logsigmoid(output)) * target
        other = self._discount(functional.logsigmoid(-output)) * (1 - target)
        if self.options.alpha is None:
            return each + other
        return self.options.alpha * each + (1 - self.options.alpha) * other

    def _discount(self, log_p: Tensor) -> Tensor:
        return -(1 - log_p.clamp_max(NEAR_ZERO).exp()).pow(self.options.gamma) * log_p

    def check_arguments(self, output: Tensor, target: Tensor) -> None:
        """Refuses targets that are neither class indices nor 0/1 for each logit."""
        if target.is_floating_point():
            same_shape(self.name, output, target)
        else:
            check_classes(self.name, output)
            check_index(self.name, output, target, self.index_types)
            if self.options.alpha is not None:
                why = "alpha is the weight of ones, and the target holds class numbers"
                fix = "give class_weight: [a weight for each class], or 0 and 1 for each logit as floats"
                raise misfit(self.name, why, fix, output=output, target=target)

    def check_targets(self, output: Tensor, target: Tensor) -> None:
        """Refuses classes that do not exist, and 0/1 targets outside 0 to 1."""
        if not target.is_floating_point():
            self.check_range(output, target)
            return
        fix = "give class numbers as y.long(), or 0 and 1 for each logit"
        within(self.name, 0.0, 1.0, "its target is from 0 to 1", fix, output, target)

    def check_values(self, output: Tensor, target: Tensor) -> None:
        """Refuses probabilities where logits belong."""
        if not target.is_floating_point():
            check_logits(self.name, output, target)
