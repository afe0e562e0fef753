"""Hinge losses over classes and over labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from trainwright.losses.base import Criterion, Reduction, reduce_items
from trainwright.losses.binary import BCEWithLogits
from trainwright.losses.checks import floats, misfit, require, same_shape, span
from trainwright.losses.classes import NONE_IGNORED, check_classes, check_index, check_range
from trainwright.losses.options import MultiMarginOptions
from trainwright.losses.weights import WeightedCriterion, along_channels


class MultiMargin(WeightedCriterion):
    """Σ_{i≠y} max(0, margin − x_y + x_i)^p / c, times the weight of the class; x (b, c), y (b)."""

    options: MultiMarginOptions
    kind = "category"
    counts = "rows"

    def compute(self, reduction: Reduction, output: Tensor, target: Tensor) -> Tensor:
        """The loss of every row, or their sum."""
        weight = self.weight("class_weight", output)
        return functional.multi_margin_loss(output, target, self.options.p, self.options.margin, weight, reduction=reduction)

    def check_arguments(self, output: Tensor, target: Tensor) -> None:
        """Refuses anything but one class index per row."""
        check_classes(self.name, output)
        if output.dim() != 2:
            fix = "give outputs (rows, classes); for pixels and tokens use cross_entropy"
            raise misfit(self.name, "it takes one class per row", fix, output=output, target=target)
        check_index(self.name, output, target)

    def check_targets(self, output: Tensor, target: Tensor) -> None:
        """Refuses classes the model does not have."""
        check_range(self.name, output, target, NONE_IGNORED)


class MultiLabelMargin(Criterion):
    """Σ over classes j of the row and i not of it of max(0, 1 − (x_j − x_i)) / c; a row of the target lists classes, then −1."""

    counts = "rows"

    def compute(self, reduction: Reduction, output: Tensor, target: Tensor) -> Tensor:
        """The loss of every row, or their sum."""
        return functional.multilabel_margin_loss(output, target, reduction=reduction)

    def check_arguments(self, output: Tensor, target: Tensor) -> None:
        """Refuses anything but lists of classes."""
        check_classes(self.name, output)
        same_shape(self.name, output, target)
        if output.dim() != 2:
            raise misfit(self.name, "it takes outputs (rows, classes)", "give one row per sample", output=output, target=target)
        if target.dtype != torch.int64:
            fix = "list the classes of each row as int64, then −1; for 0/1 rows use multi_label_soft_margin"
            raise misfit(self.name, f"its target is {target.dtype}, no lists of classes", fix, output=output, target=target)

    def check_targets(self, output: Tensor, target: Tensor) -> None:
        """Refuses classes that do not exist, and 0/1 rows."""
        found, classes = {"output": output, "target": target}, output.shape[1]
        inside = ((target >= -1) & (target < classes)).all()
        fix = f"list classes from 0 to {classes - 1}, then −1; for 0/1 rows use multi_label_soft_margin"
        require(self.name, inside, lambda: f"the target holds {span(target)}", fix, **found)
        unended = classes > 2 and bool((target >= 0).all()) and bool((target <= 1).all())
        require(self.name, not unended, lambda: "the target looks like 0/1 rows, and its rows list classes, ended by −1", fix, **found)


class MultiLabelSoftMargin(BCEWithLogits):
    """Binary cross-entropy of logits, times the weight of each label, averaged over the labels (dimension 1) of a row."""

    kind = "binary"

    def compute(self, reduction: Reduction, output: Tensor, target: Tensor) -> Tensor:
        """The loss of every element, or their sum: the mean over labels and then rows is the mean over all."""
        if output.shape != target.shape:
            same_shape(self.name, output, target)
        weight = self.weight("class_weight", output)
        each = functional.binary_cross_entropy_with_logits(output, target, reduction="none")
        return reduce_items(each if weight is None else each * along_channels(weight, output), reduction)

    def check_arguments(self, output: Tensor, target: Tensor) -> None:
        """Refuses shapes that would be broadcast, and targets that are no floats: one class of a row is not what it is for."""
        same_shape(self.name, output, target)
        floats(self.name, output, target)
