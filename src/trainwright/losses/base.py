"""What losses share: arguments found, a loss per item, a sum and a count, refusals before the first step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from trainwright.config.errors import DataError
from trainwright.losses.activations import FIXES, Takes, find_activation, judge_input
from trainwright.losses.checks import MEANT, dtype_name, first_row
from trainwright.losses.shared_options import CriterionOptions
from trainwright.losses.wiring import argument, claimed_keys, model_side

Reduction = Literal["sum", "none"]
"""One number, or one for each item."""
Count = int | Tensor
"""How many items a sum is over: a number, or a scalar on the device where it depends on the values of the target."""


@dataclass(slots=True)
class Terms:
    """A loss as a sum over items with its graph, how many items, and named terms, each a detached sum over the same items."""

    total: Tensor
    count: Count
    parts: dict[str, Tensor]


class Criterion(nn.Module):
    """A loss as `sum over items` and `number of items`, so that the pieces of a step join into exactly the loss of the whole.

    A subclass says what it takes of the model (`takes`), whether it has a target, what else it needs (`needs`), in `compute` what they
    cost, one by one or in sum, and in `counts` or `count` how many they are; sum / count is torch's `reduction="mean"`.
    """

    kind: str = ""
    """What metrics by name may read of output and target: category, binary, number; empty where they cannot."""
    takes: tuple[str, ...] = ("output",)
    needs: tuple[str, ...] = ()
    uses_target: bool = True
    counts: Literal["elements", "rows", ""] = ""
    """What its items are, where they are the elements of the first argument, or its rows."""
    changes: bool = False
    """Whether it depends on where the run is (scheduled weights)."""
    expects: Takes = ""
    """Logits, probabilities or log-probabilities, where the loss takes one of them alone."""
    takes_shares: bool = False
    """Whether the loss of a mixed row is not the mean of those of its two truths, so that it is given the share of each class."""
    exclusive: bool = False
    """Where it takes shares: whether they are of classes that exclude each other, and not of labels."""
    takes_complex: bool = False
    sums_at_once: bool = False
    """Whether the sum takes fewer operations than the loss of every item and their sum."""
    of_pixels: bool = False
    """Whether its item is a row with a class at every position, and what it costs is no sum over these."""
    inexact: str = ""
    """Why pieces of a step do not join exactly; empty where they do."""

    def __init__(self, options: CriterionOptions) -> None:
        super().__init__()
        self.name, self.options = options.type, options
        self.names = dict(options.inputs)
        self.by_row = options.reduction == "batchmean"
        self.simple = not self.names and len(self.takes) == 1 and self.uses_target and not self.needs
        """Whether it takes one output and the target and nothing else, so that it can be computed again from both."""
        self._direct = self.simple and not self.by_row
        self.doubts: list[str] = []
        """What `check` found that may be meant."""

    @property
    def claimed(self) -> set[str | int]:
        """Keys and places of the batch that the loss reads."""
        return {*self.needs, *claimed_keys(self.names.values())}

    @property
    def wants_targets(self) -> bool:
        """Whether `fit` must see the training targets first (`balanced` weights)."""
        return False

    def fit(self, targets: Tensor | Iterable[Tensor]) -> None:
        """Computes what depends on the training targets; nothing, for most."""

    def total(self, output: Any, target: Any, batch: Any = None) -> tuple[Tensor, Count]:
        """The sum over items and how many they are; raises DataError for shapes that do not fit."""
        if self._direct and isinstance(output, Tensor):
            return self.sum(output, target)
        arguments = self.arguments(output, target, batch)
        summed, count = self.sum(*arguments)
        return (summed, self.rows(*arguments)) if self.by_row else (summed, count)

    def terms(self, output: Any, target: Any, batch: Any = None, step: int = 0, epoch: float = 0.0) -> Terms:
        """As `total`, with named parts where there are several, at a place of the run."""
        total, count = self.total(output, target, batch)
        return Terms(total, count, {})

    def forward(self, output: Any, target: Any, batch: Any = None) -> Tensor:
        """The mean over items, as torch's losses give it."""
        total, count = self.total(output, target, batch)
        return total / count

    def arguments(self, output: Any, target: Any, batch: Any = None) -> list[Any]:
        """What `sum` is called with: the outputs, the target, and what else the loss needs."""
        found = model_side(output, batch, self.takes, self.names, self.name)
        if self.uses_target:
            found.append(argument("target", output, batch, self.names, self.name) if "target" in self.names else target)
        return found + [argument(name, output, batch, self.names, self.name) for name in self.needs]

    def sum(self, *arguments: Any) -> tuple[Tensor, Count]:
        """The sum over items, and how many, of the arguments found."""
        return self.compute("sum", *arguments), self.count(*arguments)

    def each(self, *arguments: Any) -> Tensor:
        """The loss of every item `[b, …]`, of the arguments found; an item that is left out costs 0."""
        return self.compute("none", *arguments)

    def compute(self, reduction: Reduction, *arguments: Any) -> Tensor:
        """The loss of every item, or their sum."""
        raise NotImplementedError

    def count(self, *arguments: Any) -> Count:
        """How many items there are: what torch's mean divides by."""
        if self.counts == "elements":
            items: int = arguments[0].numel()
            return items
        if self.counts == "rows":
            return self.rows(*arguments)
        raise NotImplementedError

    def rows(self, *arguments: Any) -> int:
        """How many rows the arguments are of."""
        return len(arguments[0])

    @property
    def bounded(self) -> bool:
        """Whether what the model gives must lie in a range, so that it is worth looking at many rows before step 1."""
        return False

    def scores(self, output: Any) -> Any:
        """What predictions and metrics read of the model's output: the output, but for losses that hold the last layer."""
        return output

    @torch.no_grad()
    def check(self, output: Any, target: Any, batch: Any = None) -> None:
        """Refuses, before step 1, outputs and targets that the loss would broadcast or misread; raises DataError saying what to change."""
        arguments = self.arguments(output, target, batch)
        for each in arguments:
            if not isinstance(each, Tensor):
                fix = "give tensors, or a loss of your own: a function of (output, target)"
                raise DataError(f"the model gives a {type(each).__name__}, not a tensor", where=f"loss '{self.name}'", fix=fix)
        self._check_numbers(*arguments)
        self.check_arguments(*arguments)
        if self.options.check_values:
            self._check_finite(arguments)
            self.check_targets(*arguments)
            self._check_activation(*arguments)
            self.check_values(*arguments)

    def _check_numbers(self, *arguments: Tensor) -> None:
        """Refuses outputs that no gradient can go through, and complex numbers where the loss computes with real ones."""
        for each in arguments[: len(self.takes)]:
            if not each.is_floating_point() and not each.is_complex():
                what = f"the model gives {dtype_name(each)} {tuple(each.shape)}, and the loss '{self.name}' takes floats"
                why = "whole numbers have no gradient"
                raise DataError(what, where="loss", why=why, fix="let the model give floats, without argmax, round or long()")
        if not self.takes_complex and any(each.is_complex() for each in arguments):
            fix = "give real numbers (torch.view_as_real), or use l1, which takes the absolute value"
            raise DataError(f"the loss '{self.name}' does not take complex numbers", where="loss", fix=fix)

    def _check_finite(self, arguments: list[Any]) -> None:
        """Refuses NaN and infinity in the target, naming the first row."""
        place = len(self.takes)
        target = arguments[place] if self.uses_target and len(arguments) > place else None
        if isinstance(target, Tensor) and target.dim() and target.is_floating_point() and not bool(target.isfinite().all()):
            why = f"it is finite in every row ({first_row(~target.isfinite(), target)})"
            fix = f"leave such rows out, or fill them in; {MEANT}"
            raise DataError("the target has values that are not finite", where=f"loss '{self.name}'", why=why, fix=fix)

    def _check_activation(self, output: Tensor, *others: Any) -> None:
        """Refuses outputs of a sigmoid or softmax that the loss takes itself, or without one that it needs."""
        expects = self.read_expected(output, *others)
        why, certain = judge_input(expects, output) if expects.endswith("logits") and output.is_floating_point() else ("", False)
        if why and certain:
            what = f"the model ends in {find_activation(output)[0]}, and the loss is {self.name}"
            raise DataError(what, where="loss", why=why, fix=f"{FIXES[expects]}; {MEANT}")
        if why:
            self.doubts.append(f"loss '{self.name}': {why}; {FIXES[expects]}; {MEANT}")

    def read_expected(self, *arguments: Any) -> Takes:
        """What the loss takes of the model for these arguments."""
        return self.expects

    @torch.no_grad()
    def check_held(self, output: Any, target: Any, batch: Any = None) -> None:
        """Refuses values in the targets of all rows that are held, beside the outputs of a few; raises DataError naming the row."""
        if self.options.check_values:
            arguments = self.arguments(output, target, batch)
            self._check_finite(arguments)
            self.check_targets(*arguments)

    def check_arguments(self, *arguments: Any) -> None:
        """Refuses shapes and types."""

    def check_targets(self, *arguments: Any) -> None:
        """Refuses values of the target that the loss does not take; of the outputs it reads the shape alone."""

    def check_values(self, *arguments: Any) -> None:
        """Refuses values of the outputs that look like a mistake."""


def reduce_items(items: Tensor, reduction: Reduction) -> Tensor:
    """The items as they are, or their sum."""
    return items.sum() if reduction == "sum" else items
