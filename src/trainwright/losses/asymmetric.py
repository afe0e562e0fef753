"""Asymmetric loss for many labels of which few apply."""

from __future__ import annotations

import torch
from torch import Tensor

from trainwright.losses.base import Count, Criterion, Reduction, reduce_items
from trainwright.losses.checks import floats, same_shape, within
from trainwright.losses.classes import NONE_IGNORED, check_classes, check_range, check_rows, is_index, one_hot
from trainwright.losses.options import AsymmetricOptions


class Asymmetric(Criterion):
    """−t (1 − p)^γ₊ log p − (1 − t) p_m^γ₋ log(1 − p_m), p_m = max(p − clip, 0) (Ridnik et al. 2021, eq. 7); output of logits.

    A class number for each row: −Σ_c q_c w_c log softmax_c, w the same discounts without clip and q the smoothed truth, as timm has it.
    """

    options: AsymmetricOptions
    kind = "binary"
    expects = "logits"

    def compute(self, reduction: Reduction, output: Tensor, target: Tensor) -> Tensor:
        """The loss of every element, or their sum."""
        if is_index(output, target):
            return reduce_items(self._of_classes(output, target), reduction)
        if output.shape != target.shape:
            same_shape(self.name, output, target)
        options = self.options
        if options.label_smoothing:
            target = target * (1 - options.label_smoothing) + options.label_smoothing / 2
        positive = output.sigmoid()
        negative = (1 - positive + options.clip).clamp_max(1)
        log_likelihood = target * positive.clamp_min(options.eps).log() + (1 - target) * negative.clamp_min(options.eps).log()
        with torch.set_grad_enabled(torch.is_grad_enabled() and not options.detach_weight):
            truth = positive * target + negative * (1 - target)
            discount = (1 - truth).pow(options.gamma_pos * target + options.gamma_neg * (1 - target))
        return reduce_items(-(discount * log_likelihood), reduction)

    def _of_classes(self, output: Tensor, target: Tensor) -> Tensor:
        options, log_p, truth = self.options, output.log_softmax(dim=1), one_hot(target, output.shape[1]).to(output.dtype)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not options.detach_weight):
            p = log_p.exp()
            discount = (1 - p * truth - (1 - p) * (1 - truth)).pow(options.gamma_pos * truth + options.gamma_neg * (1 - truth))
        return -(one_hot(target, output.shape[1], options.label_smoothing).to(output.dtype) * discount * log_p).sum(dim=1)

    def count(self, output: Tensor, target: Tensor) -> Count:
        """Logits, or rows that have one class each."""
        return len(target) if is_index(output, target) else output.numel()

    def check_arguments(self, output: Tensor, target: Tensor) -> None:
        """Refuses shapes that would be broadcast, and targets that are neither floats nor a class number of each row."""
        if is_index(output, target):
            check_classes(self.name, output)
            check_rows(self.name, output, target)
            return
        same_shape(self.name, output, target)
        floats(self.name, output, target)

    def check_targets(self, output: Tensor, target: Tensor) -> None:
        """Refuses targets outside 0 to 1, and classes that the model does not have."""
        if is_index(output, target):
            check_range(self.name, output, target, NONE_IGNORED)
            return
        fix = "give 0 and 1 for each label; for one class per row use cross_entropy"
        within(self.name, 0.0, 1.0, "its target is from 0 to 1", fix, output, target)
