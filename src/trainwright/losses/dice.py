"""Soft Dice loss of masks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from trainwright.losses.activations import Takes
from trainwright.losses.base import Criterion, Reduction, reduce_items
from trainwright.losses.checks import misfit, require, same_shape, span, within
from trainwright.losses.classes import NONE_IGNORED, check_classes, check_index, check_range
from trainwright.losses.options import DiceOptions


class Dice(Criterion):
    """1 − (2 Σ p t + s) / (Σ p + Σ t + s) of each row and class, Σ over pixels (Milletari et al. 2016), averaged over classes.

    Output of logits (b, c, …); target of class indices (b, …) or masks in the shape of the output. The item is the row, so that
    pieces of a step join exactly; Dice over the pixels of a whole batch could not.
    """

    options: DiceOptions
    counts = "rows"

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
        rows = self._dice(self._probabilities(output, indices), masks, kept)
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

    def _dice(self, probabilities: Tensor, masks: Tensor, kept: Tensor | None) -> Tensor:
        if kept is not None:
            probabilities, masks = probabilities * kept.unsqueeze(1), masks * kept.unsqueeze(1)
        if not self.options.background and masks.shape[1] > 1:
            probabilities, masks = probabilities[:, 1:], masks[:, 1:]
        p, t = probabilities.flatten(2).float(), masks.flatten(2).float()
        below = (p.square() + t.square() if self.options.squared else p + t).sum(dim=2)
        smooth = self.options.smooth
        # without smoothing an empty mask predicted empty is 0 / 0: it costs 0
        tiny = torch.finfo(below.dtype).tiny
        return (1 - (2 * (p * t).sum(dim=2) + smooth + tiny) / (below + smooth + tiny)).mean(dim=1)

    def _cross_entropy(self, output: Tensor, target: Tensor, kept: Tensor | None) -> Tensor:
        if target.is_floating_point():
            return functional.binary_cross_entropy_with_logits(output, target, reduction="none").flatten(1).mean(dim=1)
        ignored = NONE_IGNORED if kept is None else int(self.options.ignore_index or 0)
        each = functional.cross_entropy(output, target.long(), ignore_index=ignored, reduction="none").flatten(1)
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
