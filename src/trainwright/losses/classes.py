"""Losses of one class among several: class indices (b, …) or class probabilities (b, c, …) against outputs (b, c, …)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from trainwright.config.errors import DataError
from trainwright.losses.base import Count, Criterion, Reduction
from trainwright.losses.checks import MEANT, first_row, is_distribution, misfit, require, same_shape, span
from trainwright.losses.options import CrossEntropyOptions, LabelSmoothingCrossEntropyOptions, NLLOptions
from trainwright.losses.shared_options import CriterionOptions
from trainwright.losses.weights import WeightedCriterion

IGNORED = -100
NONE_IGNORED = -(2**31)
"""No class: −100 is then refused by torch like any other class that does not exist."""


def is_index(output: Tensor, target: Tensor) -> bool:
    """Whether a target is the number of a class for each row `(b)` of outputs `(b, c)`, c 2 or more."""
    return target.dtype == torch.int64 and target.dim() == 1 and output.dim() == 2 and output.shape[1] > 1


def check_rows(loss: str, output: Tensor, target: Tensor) -> None:
    """Raises DataError for class numbers of other rows than the outputs are of."""
    if len(output) != len(target):
        fix = "give a class for each row that the model answers"
        raise misfit(loss, f"its target has {len(target)} rows, the output {len(output)}", fix, output=output, target=target)


def one_hot(target: Tensor, classes: int, smoothing: float = 0.0) -> Tensor:
    """Class numbers `(b)` → the share of each class `(b, c)` in float32: 1 - s + s/C of its own, s/C of others (Szegedy et al. 2016)."""
    shares = functional.one_hot(target, classes).float()
    return shares * (1 - smoothing) + smoothing / classes if smoothing else shares


class IndexCriterion(WeightedCriterion):
    """Class indices against outputs (b, c, …): which items count, and with what weight."""

    kind = "category"
    index_types: tuple[torch.dtype, ...] = (torch.int64, torch.uint8)
    """Types of class numbers that torch takes."""

    def __init__(self, options: CriterionOptions) -> None:
        super().__init__(options)
        self.ignore_index: int | None = getattr(options, "ignore_index", None)

    def find_ignored(self, target: Tensor) -> int:
        """The class that is left out: a row with one class counts unless `ignore_index` is given, pixels and tokens of −100 do not."""
        if self.ignore_index is not None:
            return self.ignore_index
        return NONE_IGNORED if target.dim() < 2 else IGNORED

    def items(self, target: Tensor, weight: Tensor | None, ignored: int) -> Count:
        """How many items torch's mean divides by: those not left out, each with the weight of its class."""
        if ignored == NONE_IGNORED:
            return len(target) if weight is None else weight[target].sum()
        kept = target != ignored
        if weight is None:
            return kept.sum()
        return (weight[target.where(kept, 0)] * kept).sum()

    def check_arguments(self, output: Tensor, target: Tensor) -> None:
        """Refuses outputs without classes, and targets that are no class index of each item."""
        check_classes(self.name, output)
        check_index(self.name, output, target, self.index_types)

    def check_range(self, output: Tensor, target: Tensor) -> None:
        """Refuses classes the model does not have."""
        check_range(self.name, output, target, self.find_ignored(target))


class CrossEntropy(IndexCriterion):
    """−Σ_c q_c log softmax(output)_c, q the truth, an index or probabilities, smoothed, times the weight of the class."""

    expects = "class logits"
    sums_at_once = True

    def __init__(self, options: CrossEntropyOptions | LabelSmoothingCrossEntropyOptions) -> None:
        super().__init__(options)
        self.smoothing = options.smoothing if isinstance(options, LabelSmoothingCrossEntropyOptions) else options.label_smoothing
        self._plain = self.ignore_index is None and getattr(options, "class_weight", None) is None

    def sum(self, output: Tensor, target: Tensor) -> tuple[Tensor, Count]:
        """The sum over items, and how many."""
        if self._plain and target.dim() == 1 and not target.is_floating_point():  # nearly every step there is: nothing is looked up
            return functional.cross_entropy(output, target, None, None, NONE_IGNORED, None, "sum", self.smoothing), target.shape[0]
        return super().sum(output, target)

    def compute(self, reduction: Reduction, output: Tensor, target: Tensor) -> Tensor:
        """The loss of every item, or their sum; an item left out costs 0."""
        smoothing = self.smoothing
        weight = self.weight("class_weight", output)
        if target.is_floating_point():
            if output.shape != target.shape:
                same_shape(self.name, output, target)
            return functional.cross_entropy(output, target, weight, reduction=reduction, label_smoothing=smoothing)
        left_out = self.find_ignored(target)
        return functional.cross_entropy(output, target, weight, ignore_index=left_out, reduction=reduction, label_smoothing=smoothing)

    def count(self, output: Tensor, target: Tensor) -> Count:
        """As many items as there are, but for those left out, each with the weight of its class."""
        if target.is_floating_point():
            return output.numel() // output.shape[1]
        return self.items(target, None if self._plain else self.weight("class_weight", output), self.find_ignored(target))

    def check_arguments(self, output: Tensor, target: Tensor) -> None:
        """Refuses outputs without classes, and targets that are neither an index nor probabilities of each item."""
        check_classes(self.name, output)
        if not (target.is_floating_point() and target.shape == output.shape):
            check_index(self.name, output, target, self.index_types)

    def check_targets(self, output: Tensor, target: Tensor) -> None:
        """Refuses classes that do not exist, and probabilities that are none."""
        if target.is_floating_point():
            check_probabilities(self.name, output, target)
        else:
            self.check_range(output, target)

    def check_values(self, output: Tensor, target: Tensor) -> None:
        """Refuses probabilities where logits belong."""
        check_logits(self.name, output, target)


class LabelSmoothingCrossEntropy(CrossEntropy):
    """(1 − ε)·NLL − ε·mean of the log-probabilities."""


class SoftTargetCrossEntropy(Criterion):
    """−Σ_c target_c log softmax(output)_c, target of probabilities."""

    kind = "category"
    expects = "class logits"

    def compute(self, reduction: Reduction, output: Tensor, target: Tensor) -> Tensor:
        """The loss of every item, or their sum."""
        if output.shape != target.shape:
            same_shape(self.name, output, target)
        return functional.cross_entropy(output, target, reduction=reduction)

    def count(self, output: Tensor, target: Tensor) -> Count:
        """Items: elements / classes."""
        return output.numel() // output.shape[1]

    def check_arguments(self, output: Tensor, target: Tensor) -> None:
        """Refuses class indices, and shapes that would be broadcast."""
        check_classes(self.name, output)
        if not target.is_floating_point():
            fix = "use cross_entropy for class numbers"
            raise misfit(self.name, "its target holds the probability of each class", fix, output=output, target=target)
        same_shape(self.name, output, target)

    def check_targets(self, output: Tensor, target: Tensor) -> None:
        """Refuses targets that are no probabilities."""
        check_probabilities(self.name, output, target)

    def check_values(self, output: Tensor, target: Tensor) -> None:
        """Refuses probabilities where logits belong."""
        check_logits(self.name, output, target)


class NLL(IndexCriterion):
    """−output[target] times the weight of the class; the model gives log-probabilities."""

    options: NLLOptions

    def compute(self, reduction: Reduction, output: Tensor, target: Tensor) -> Tensor:
        """The loss of every item, or their sum; an item left out costs 0."""
        if self.options.log_softmax:
            output = output.log_softmax(dim=1)
        weight = self.weight("class_weight", output)
        return functional.nll_loss(output, target, weight, ignore_index=self.find_ignored(target), reduction=reduction)

    def count(self, output: Tensor, target: Tensor) -> Count:
        """As many items as there are, but for those left out, each with the weight of its class."""
        return self.items(target, self.weight("class_weight", output), self.find_ignored(target))

    @property
    def bounded(self) -> bool:
        """Whether it takes log-probabilities."""
        return not self.options.log_softmax

    def check_targets(self, output: Tensor, target: Tensor) -> None:
        """Refuses classes that do not exist."""
        self.check_range(output, target)

    def check_values(self, output: Tensor, target: Tensor) -> None:
        """Refuses outputs that are no log-probabilities."""
        if not self.options.log_softmax:
            fix = f"use cross_entropy for logits, or log_softmax: true, or let the model end in log_softmax; {MEANT}"
            why = "it takes log-probabilities, 0 or less"
            holds = (output <= 1e-6).all()
            require(self.name, holds, lambda: f"{why}, the model gives {span(output)}", fix, output=output, target=target)


def check_classes(loss: str, output: Tensor) -> None:
    """Raises DataError for an output without a dimension of classes."""
    if output.dim() < 2:
        fix = "give one output per class, or use loss='binary_cross_entropy'"
        raise DataError(f"{loss} needs outputs (rows, classes), the model gives {tuple(output.shape)}", where="loss", fix=fix)
    if output.shape[1] == 1:
        fix = "give one output per class, or use loss='binary_cross_entropy' with a target of 0 and 1 in the shape of the output"
        raise DataError(f"{loss} of one class is always 0, the model gives {tuple(output.shape)}", where="loss", fix=fix)


def check_index(loss: str, output: Tensor, target: Tensor, dtypes: tuple[torch.dtype, ...] = (torch.int64,)) -> None:
    """Raises DataError for a target that is no class index of each item, in a type that torch takes for this loss."""
    found = {"output": output, "target": target}
    wanted = (len(output), *output.shape[2:])
    if target.is_floating_point():
        fix = f"{loss} takes class numbers: give the target as y.long(); for values to be predicted use loss='mse'"
        raise misfit(loss, f"its target is {target.dtype}, no class numbers", fix, **found)
    if target.shape == wanted:
        if target.dtype not in dtypes:
            raise misfit(loss, f"its target is {target.dtype}, torch takes int64", "give the target as y.long()", **found)
        return
    if output.dim() > 2 and target.shape == output.shape[:-1]:
        moved = "transpose(1, 2)" if output.dim() == 3 else "movedim(-1, 1)"
        why = f"the classes are dimension 1 of the output, here the last one seems to hold them: {output.shape[-1]}"
        raise misfit(loss, why, f"let the model, or a function of your own, give output.{moved}", **found)
    if target.dim() == output.dim() and target.shape[-1] == 1:
        fix = "give one class number per row, without the last dimension: y.squeeze(-1)"
    elif target.shape == output.shape:
        fix = "for one-hot rows give y.argmax(1), or y.float() as probabilities; for several labels a row use loss='bce_with_logits'"
    else:
        fix = f"give class numbers of shape {wanted}: the output without its second dimension"
    raise misfit(loss, f"outputs {tuple(output.shape)} need a target of {wanted}", fix, **found)


def check_range(loss: str, output: Tensor, target: Tensor, ignored: int) -> None:
    """Raises DataError for classes the model does not have."""
    classes = output.shape[1]
    wrong = (target < 0) | (target >= classes)
    if ignored != NONE_IGNORED:
        wrong &= target != ignored
    if not bool(wrong.any()):
        return
    kept, found = target[target != ignored], {"output": output, "target": target}
    fix = f"the model gives {classes} classes: the target must hold whole numbers from 0 to {classes - 1}, one per row"
    if int(kept.min()) == IGNORED:
        fix = "to leave such rows out give the loss ignore_index: -100"
    raise misfit(loss, f"the target holds classes {span(kept)} ({first_row(wrong, target)})", fix, **found)


def check_probabilities(loss: str, output: Tensor, target: Tensor) -> None:
    """Raises DataError for a float target whose rows are no probabilities of classes."""
    fix = f"for several labels a row use bce_with_logits; for values use mse; divide by the sum for probabilities; {MEANT}"
    why = "a target of floats holds the probability of each class, 0 or more and 1 in sum"
    require(loss, is_distribution(target), lambda: why, fix, output=output, target=target)


def check_logits(loss: str, output: Tensor, target: Tensor) -> None:
    """Raises DataError for probabilities where logits belong: softmax would be taken twice."""
    fix = f"leave softmax out of the model, or use nll with log_softmax in the model; {MEANT}"
    why = "it takes logits, and every row the model gives is 0 or more and sums to 1: softmax would be taken twice"
    require(loss, not is_distribution(output), lambda: why, fix, output=output, target=target)
