"""The loss of a column: a decoder's outputs and encoded truth → one number per row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.losses.base import Criterion
from trainwright.losses.shared_options import CriterionOptions


class LossTarget(Protocol):
    """What a loss must know of the column it is for."""

    @property
    def name(self) -> str:
        """The column."""

    @property
    def kind(self) -> str:
        """number, vector, binary, category or set, or a type of one's own."""

    @property
    def width(self) -> int:
        """Outputs of the decoder."""

    @property
    def class_weights(self) -> list[float] | None:
        """One weight per class (set: the weight of a present label)."""


class RowLoss(nn.Module):
    """Outputs `[b, o]` or, with members, `[b, k, o]`, and truth → a loss per row `[b]`, the mean over members."""

    weight: Tensor | None

    def __init__(self, options: PartConfig, target: LossTarget) -> None:
        super().__init__()
        weights = None if target.class_weights is None else torch.tensor(target.class_weights)
        self.register_buffer("weight", weights, persistent=False)

    def forward(self, output: Float[Tensor, "b *k o"], truth: Shaped[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        """The loss of every row."""
        if output.dim() == 3:
            return self.each(output, truth.unsqueeze(1).expand(truth.shape[0], output.shape[1], *truth.shape[1:])).mean(dim=1)
        return self.each(output, truth)

    def total(self, output: Float[Tensor, "b *k o"], truth: Shaped[Tensor, "b ..."]) -> Float[Tensor, ""]:
        """The sum over rows, in as few operations as the loss allows."""
        return self(output, truth).sum()

    def each(self, output: Tensor, truth: Tensor) -> Tensor:
        """The loss of every row and member: `output` `[…, o]`, `truth` `[…]` or `[…, v]` → `[…]`."""
        raise NotImplementedError


class ColumnLoss(RowLoss):
    """A registered loss, of class numbers where there is one output per class, else of values, averaged over the values of a row.

    Class weights are the loss's own where it has them; they multiply the rows of their class where one output stands for two classes,
    and the labels that are present (`pos_weight`) in a set. Raises ConfigError where a set's cannot be given.
    """

    def __init__(self, options: CriterionOptions, target: LossTarget, make: Callable[[CriterionOptions], Criterion]) -> None:
        super().__init__(options, target)
        _check_outputs(options, target)
        self.of_classes = target.kind == "category" or options.one_per_class
        self.of_labels, self.in_floats = target.kind == "set", target.kind not in ("number", "vector")
        if self.of_classes or self.of_labels:
            options, self.weight = _give_weights(options, target, "pos_weight" if self.of_labels else "class_weight"), None
        self.loss = make(options)

    def each(self, output: Tensor, truth: Tensor) -> Tensor:
        if self.of_classes:
            return self.loss.each(output.flatten(0, -2), truth.flatten()).view(truth.shape)
        wanted = truth.to(output.dtype) if self.in_floats else truth
        if self.of_labels and output.dim() == 3:  # labels are dimension 1, where their weights are
            return self._join(self.loss.each(output.flatten(0, 1), wanted.flatten(0, 1))).view(output.shape[:2])
        items = self.loss.each(output.squeeze(-1) if truth.dim() < output.dim() else output, wanted)
        rows = self._join(items) if truth.dim() == output.dim() else items
        return rows if self.weight is None else rows * self.weight[truth.long()]

    def _join(self, values: Tensor) -> Tensor:
        """The mean over the values of a row; with `batchmean` their sum."""
        return values.sum(dim=-1) if self.loss.by_row else values.mean(dim=-1)

    def total(self, output: Float[Tensor, "b *k o"], truth: Shaped[Tensor, "b ..."]) -> Float[Tensor, ""]:
        if not (self.of_classes and self.loss.sums_at_once):
            return super().total(output, truth)
        if output.dim() == 2:
            return self.loss.compute("sum", output, truth)
        members = output.shape[1]
        return self.loss.compute("sum", output.flatten(0, 1), truth.repeat_interleave(members)) / members


def _check_outputs(options: CriterionOptions, target: LossTarget) -> None:
    if target.kind == "binary" and not options.one_per_class and target.width != 1:
        raise ConfigError(f"{options.type} needs one output, not {target.width}", where=target.name, fix="use cross_entropy")


def _give_weights(options: CriterionOptions, target: LossTarget, name: str) -> CriterionOptions:
    """The options with the weights of the target; raises ConfigError for a loss that takes none."""
    if target.class_weights is None:
        return options
    if name not in type(options).model_fields:
        fix = "leave class_weights out, or use loss: bce_with_logits" if target.kind == "set" else "use loss: cross_entropy"
        raise ConfigError(f"'{options.type}' is not given the class_weights of a {target.kind}", where=target.name, fix=fix)
    return options.model_copy(update={name: list(target.class_weights)})
