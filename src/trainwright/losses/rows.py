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
from trainwright.losses.classes import one_hot
from trainwright.losses.shared_options import CriterionOptions, FunctionOptions


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
    def classes(self) -> list[str] | None:
        """What its outputs are called: classes, or labels of a set."""

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
        if output.dim() == 2:
            return self.each(output, truth)
        rows, members = output.shape[:2]
        return self.each(output.flatten(0, 1), truth.repeat_interleave(members, dim=0)).view(rows, members).mean(dim=1)

    def total(self, output: Float[Tensor, "b *k o"], truth: Shaped[Tensor, "b ..."]) -> Float[Tensor, ""]:
        """The sum over rows, in as few operations as the loss allows."""
        return self(output, truth).sum()

    def mixed(self, output: Tensor, truth: Tensor, partner: Tensor, share: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """The loss of every row that was mixed with a partner: of both truths, in their shares."""
        return share * self(output, truth) + (1 - share) * self(output, partner)

    def counted(self, truth: Shaped[Tensor, "b ..."]) -> Tensor | None:
        """Which rows count, bool [b]; None where all do."""
        return None

    def each(self, output: Tensor, truth: Tensor) -> Tensor:
        """The loss of every row, and of every member of it: `output` `[n, o]`, `truth` `[n]` or `[n, v]` → `[n]`."""
        raise NotImplementedError


class ColumnLoss(RowLoss):
    """A loss of class numbers where there is one output per class, else of values, averaged over the values of a row.

    Class weights are the loss's own where it has them; they multiply the rows of their class where one output stands for two classes or
    the loss is a function of one's own, and the labels that are present (`pos_weight`) in a set. Raises ConfigError where a set's cannot
    be given.
    """

    def __init__(self, options: CriterionOptions, target: LossTarget, make: Callable[[CriterionOptions], Criterion]) -> None:
        super().__init__(options, target)
        foreign = isinstance(options, FunctionOptions)
        if not foreign:
            _check_outputs(options, target)
        self.of_classes = target.kind == "category" or options.one_per_class or (target.kind == "binary" and target.width > 1)
        self.in_floats = target.kind in ("binary", "set") if foreign else target.kind not in ("number", "vector")
        if target.kind == "set" or (self.of_classes and not foreign):
            options, self.weight = _give_weights(options, target, "pos_weight" if target.kind == "set" else "class_weight"), None
        self.loss = make(_name_labels(options, target))
        if self.loss.takes_shares:
            self.loss.exclusive = self.of_classes
            _check_shares(self.loss.name, self.weight, target)

    def each(self, output: Tensor, truth: Tensor) -> Tensor:
        wanted = truth
        if not self.of_classes:
            output = output.squeeze(-1) if truth.dim() < output.dim() else output
            wanted = truth.to(output.dtype) if self.in_floats and truth.dim() == output.dim() else truth
        rows = self._join(self.loss.each(output, wanted))
        return rows if self.weight is None else rows * self.weight[truth.long()]

    def mixed(self, output: Tensor, truth: Tensor, partner: Tensor, share: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        if not self.loss.takes_shares:
            return super().mixed(output, truth, partner, share)
        classes = output.shape[-1]
        shares = [one_hot(each, classes) if self.of_classes else each.float().reshape(len(each), -1) for each in (truth, partner)]
        kept = share.view(-1, 1)
        return self(output, kept * shares[0] + (1 - kept) * shares[1])

    def _join(self, values: Tensor) -> Tensor:
        """The mean over the values of a row; with `batchmean` their sum."""
        if values.dim() == 1:
            return values
        return values.flatten(1).sum(dim=1) if self.loss.by_row else values.flatten(1).mean(dim=1)

    def total(self, output: Float[Tensor, "b *k o"], truth: Shaped[Tensor, "b ..."]) -> Float[Tensor, ""]:
        if not (self.of_classes and self.loss.sums_at_once):
            return super().total(output, truth)
        if output.dim() == 2:
            return self.loss.compute("sum", output, truth)
        members = output.shape[1]
        return self.loss.compute("sum", output.flatten(0, 1), truth.repeat_interleave(members)) / members


class PositionLoss(RowLoss):
    """A loss of class numbers at every position: of a row the mean over its positions that count (those of class −100 do not).

    A loss of whole masks, as Dice is, gives one number a row itself. A row without a position that counts costs 0 and is not counted.
    """

    def __init__(self, options: CriterionOptions, target: LossTarget, make: Callable[[CriterionOptions], Criterion]) -> None:
        super().__init__(options, target)
        self.loss = make(_give_weights(options, target, "class_weight"))
        self.weight = None
        self.ignored = getattr(self.loss, "ignore_index", None)

    def forward(self, output: Float[Tensor, "b c ..."], truth: Shaped[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        """The loss of every row."""
        each = self.loss.compute("none", output, truth)
        if self.loss.of_pixels:
            return each
        return each.flatten(1).sum(dim=1) / self._kept(truth).sum(dim=1).clamp_min(1)

    def counted(self, truth: Shaped[Tensor, "b ..."]) -> Tensor | None:
        """The rows with a position that counts."""
        return self._kept(truth).any(dim=1)

    def _kept(self, truth: Tensor) -> Tensor:
        return (truth != (-100 if self.ignored is None else self.ignored)).flatten(1)


def _check_outputs(options: CriterionOptions, target: LossTarget) -> None:
    if target.kind == "binary" and not options.one_per_class and target.width != 1:
        raise ConfigError(f"{options.type} needs one output, not {target.width}", where=target.name, fix="use cross_entropy")


def _check_shares(name: str, weight: Tensor | None, target: LossTarget) -> None:
    """Raise ConfigError where rows are weighed by their class and may have shares of two."""
    if weight is not None:
        what = f"'{name}' with a threshold is not given the class_weights of a {target.kind}"
        raise ConfigError(what, where=target.name, why="a mixed row may be of both classes", fix="leave threshold or class_weights out")


def _name_labels(options: CriterionOptions, target: LossTarget) -> CriterionOptions:
    """The options with the names of a set's labels, for a loss that goes by them and is given none."""
    named = "labels" in type(options).model_fields and not getattr(options, "labels", None)
    return options.model_copy(update={"labels": list(target.classes or [])}) if named and target.kind == "set" else options


def _give_weights(options: CriterionOptions, target: LossTarget, name: str) -> CriterionOptions:
    """The options with the weights of the target; raises ConfigError for a loss that takes none."""
    if target.class_weights is None:
        return options
    if name not in type(options).model_fields:
        fix = "leave class_weights out, or use loss: bce_with_logits" if target.kind == "set" else "use loss: cross_entropy"
        raise ConfigError(f"'{options.type}' is not given the class_weights of a {target.kind}", where=target.name, fix=fix)
    return options.model_copy(update={name: list(target.class_weights)})
