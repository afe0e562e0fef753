"""Losses of masks by how they overlap: soft Dice, and Tversky, which weighs what is missed against what is too much."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from trainwright.losses.activations import Takes
from trainwright.losses.base import Reduction, reduce_items
from trainwright.losses.checks import misfit, require, same_shape, span, within
from trainwright.losses.classes import NONE_IGNORED, check_classes, check_index, check_range
from trainwright.losses.options import DiceOptions, TverskyOptions
from trainwright.losses.weights import WeightedCriterion

NEAR_ZERO = 1e-6
"""Costs below it count as it where they are raised to a power."""


class Overlap(WeightedCriterion):
    """1 − the overlap of each row and class, averaged over classes; with cross-entropy added where that is asked for.

    Output of logits (b, c, …); target of class indices (b, …) or masks in the shape of the output. The item is the row, so that
    pieces of a step join exactly; the overlap of the pixels of a whole batch could not. A row without a pixel that counts costs 0.
    """

    options: DiceOptions | TverskyOptions
    counts = "rows"
    of_pixels = True

    def overlap(self, p: Tensor, t: Tensor) -> Tensor:
        """The overlap [b, c] of probabilities and masks [b, c, pixels], which costs 1 − itself."""
        raise NotImplementedError

    def read_expected(self, *arguments: Any) -> Takes:
        """Logits, unless the loss is told to take probabilities."""
        return "" if self.options.activation == "none" else "logits"

    def compute(self, reduction: Reduction, output: Tensor, target: Tensor) -> Tensor:
        """The loss of every row, or their sum."""
        indices = not target.is_floating_point()
        kept = self._find_kept(target, indices)
        masks = self._masks(output, target, kept) if indices else target
        if output.shape != masks.shape:
            same_shape(self.name, output, masks)
        weight = self.options.cross_entropy
        rows = self._costs(output, indices, masks, kept)
        if weight:
            rows = rows + weight * self._cross_entropy(output, target, kept)
        return reduce_items(rows, reduction)

    def _find_kept(self, target: Tensor, indices: bool) -> Tensor | None:
        ignored = self.options.ignore_index
        return target != ignored if indices and ignored is not None else None

    def _masks(self, output: Tensor, target: Tensor, kept: Tensor | None) -> Tensor:
        index = target.long() if kept is None else target.long().where(kept, 0)
        return torch.zeros_like(output).scatter_(1, index.unsqueeze(1), 1.0)

    def _probabilities(self, output: Tensor, indices: bool) -> Tensor:
        activation = self.options.activation
        if activation == "auto":
            activation = "softmax" if indices and output.shape[1] > 1 else "sigmoid"
        return output.softmax(dim=1) if activation == "softmax" else output.sigmoid() if activation == "sigmoid" else output

    def _costs(self, output: Tensor, indices: bool, masks: Tensor, kept: Tensor | None) -> Tensor:
        probabilities = self._probabilities(output, indices)
        if kept is not None:
            probabilities, masks = probabilities * kept.unsqueeze(1), masks * kept.unsqueeze(1)
        if not self.options.background and masks.shape[1] > 1:
            probabilities, masks = probabilities[:, 1:], masks[:, 1:]
        p, t = probabilities.flatten(2).float(), masks.flatten(2).float()
        costs = 1 - self.overlap(p, t)
        rows = self._mean(costs, t, self.weight("class_weight", output))
        return rows if kept is None else rows * kept.flatten(1).any(dim=1)

    def _mean(self, costs: Tensor, t: Tensor, weight: Tensor | None) -> Tensor:
        """The mean over the classes [b, c] that count, by their weights."""
        if self.options.absent == "count" and weight is None:
            return costs.mean(dim=1)
        counted = torch.ones_like(costs) if self.options.absent == "count" else (t.sum(dim=2) > 0).to(costs.dtype)
        counted = counted if weight is None else counted * weight[-costs.shape[1] :]
        return (costs * counted).sum(dim=1) / counted.sum(dim=1).clamp_min(torch.finfo(costs.dtype).tiny)

    def _cross_entropy(self, output: Tensor, target: Tensor, kept: Tensor | None) -> Tensor:
        if target.is_floating_point():
            return functional.binary_cross_entropy_with_logits(output, target, reduction="none").flatten(1).mean(dim=1)
        ignored = NONE_IGNORED if kept is None else int(self.options.ignore_index or 0)
        given = self.weight("class_weight", output)
        each = functional.cross_entropy(output, target.long(), given, ignore_index=ignored, reduction="none").flatten(1)
        pixels = each.shape[1] if kept is None else kept.flatten(1).sum(dim=1).clamp_min(1)
        return each.sum(dim=1) / pixels

    def check_arguments(self, output: Tensor, target: Tensor) -> None:
        """Refuses outputs without pixels, and targets that are neither class indices of each pixel nor masks in the shape of the output."""
        if output.dim() < 3:
            fix = "give (rows, classes, pixels …); for one label or class per row use bce_with_logits or cross_entropy"
            raise misfit(self.name, "it measures the overlap of masks, and there are no pixels", fix, output=output, target=target)
        if target.is_floating_point():
            same_shape(self.name, output, target)
        else:
            check_classes(self.name, output)
            check_index(self.name, output, target, (torch.int64, torch.uint8))

    @property
    def bounded(self) -> bool:
        """Whether it takes probabilities."""
        return self.options.activation == "none"

    def check_targets(self, output: Tensor, target: Tensor) -> None:
        """Refuses classes that do not exist, and masks outside 0 to 1."""
        if not target.is_floating_point():
            ignored = self.options.ignore_index
            check_range(self.name, output, target, NONE_IGNORED if ignored is None else ignored)
        else:
            within(self.name, 0.0, 1.0, "a mask is from 0 to 1", "divide by 255, or give class numbers", output, target)

    def check_values(self, output: Tensor, target: Tensor) -> None:
        """Refuses outputs that are no probabilities where they should be."""
        found = {"output": output, "target": target}
        if self.options.activation == "none":
            inside = ((output >= 0) & (output <= 1)).all()
            fix = "leave activation out for logits"
            require(
                self.name, inside, lambda: f"with activation: none it takes probabilities, the model gives {span(output)}", fix, **found
            )


class Dice(Overlap):
    """(2 Σ p t + s) / (Σ p + Σ t + s), Σ over pixels (Milletari et al. 2016)."""

    options: DiceOptions

    def overlap(self, p: Tensor, t: Tensor) -> Tensor:
        """The soft Dice of each class."""
        below = (p.square() + t.square() if self.options.squared else p + t).sum(dim=2)
        # without smoothing an empty mask predicted empty is 0 / 0: it costs 0
        smooth = self.options.smooth + torch.finfo(below.dtype).tiny
        return (2 * (p * t).sum(dim=2) + smooth) / (below + smooth)


class Tversky(Overlap):
    """(Σ p t + s) / (Σ p t + α Σ p (1 − t) + β Σ (1 − p) t + s) (Salehi et al. 2017); 1 − it to the power γ (Abraham & Khan 2019)."""

    options: TverskyOptions

    def overlap(self, p: Tensor, t: Tensor) -> Tensor:
        """The Tversky index of each class, such that 1 − it is the cost to the power γ."""
        both = (p * t).sum(dim=2)
        smooth = self.options.smooth + torch.finfo(both.dtype).tiny
        below = both + self.options.alpha * (p.sum(dim=2) - both) + self.options.beta * (t.sum(dim=2) - both)
        lost = 1 - (both + smooth) / (below + smooth)
        # the gradient of a root is infinite at 0
        return 1 - lost if self.options.gamma == 1 else 1 - lost.clamp_min(NEAR_ZERO).pow(self.options.gamma)
