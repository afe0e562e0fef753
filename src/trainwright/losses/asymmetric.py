"""Asymmetric loss for many labels of which few apply."""

from __future__ import annotations

import torch
from torch import Tensor

from trainwright.losses.base import Criterion, Reduction, reduce_items
from trainwright.losses.checks import floats, same_shape, within
from trainwright.losses.options import AsymmetricOptions


class Asymmetric(Criterion):
    """−t (1 − p)^γ₊ log p − (1 − t) p_m^γ₋ log(1 − p_m), p_m = max(p − clip, 0) (Ridnik et al. 2021, eq. 7); output of logits."""

    options: AsymmetricOptions
    kind = "binary"
    expects = "logits"
    counts = "elements"

    def compute(self, reduction: Reduction, output: Tensor, target: Tensor) -> Tensor:
        """The loss of every element, or their sum."""
        if output.shape != target.shape:
            same_shape(self.name, output, target)
        options = self.options
        positive = output.sigmoid()
        negative = (1 - positive + options.clip).clamp_max(1)
        log_likelihood = target * positive.clamp_min(options.eps).log() + (1 - target) * negative.clamp_min(options.eps).log()
        with torch.set_grad_enabled(torch.is_grad_enabled() and not options.detach_weight):
            truth = positive * target + negative * (1 - target)
            discount = (1 - truth).pow(options.gamma_pos * target + options.gamma_neg * (1 - target))
        return reduce_items(-(discount * log_likelihood), reduction)

    def check_arguments(self, output: Tensor, target: Tensor) -> None:
        """Refuses shapes that would be broadcast, and targets that are no floats."""
        same_shape(self.name, output, target)
        floats(self.name, output, target)

    def check_targets(self, output: Tensor, target: Tensor) -> None:
        """Refuses targets outside 0 to 1."""
        fix = "give 0 and 1 for each label; for one class per row use cross_entropy"
        within(self.name, 0.0, 1.0, "its target is from 0 to 1", fix, output, target)
