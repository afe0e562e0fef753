"""Losses that hold the last layer: the model gives its input, and the layer is trained with the model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.losses.base import Count, Criterion, Reduction, reduce_items
from trainwright.losses.checks import misfit
from trainwright.losses.classes import IGNORED, NONE_IGNORED, IndexCriterion, check_probabilities, check_range
from trainwright.losses.options import AdaptiveLogSoftmaxOptions, LinearCrossEntropyOptions


class AdaptiveLogSoftmax(Criterion):
    """−log p(target) with rare classes in smaller clusters (Grave et al. 2017); output (b, in_features), target (b)."""

    kind = "category"
    options: AdaptiveLogSoftmaxOptions
    counts = "rows"

    def __init__(self, options: AdaptiveLogSoftmaxOptions, head: nn.AdaptiveLogSoftmaxWithLoss | None = None) -> None:
        super().__init__(options)
        self.head = head or _make(
            lambda: nn.AdaptiveLogSoftmaxWithLoss(
                options.in_features, options.n_classes, options.cutoffs, options.div_value, options.head_bias
            )
        )
        self.simple = False

    def compute(self, reduction: Reduction, output: Tensor, target: Tensor) -> Tensor:
        """The loss of every row, or their sum."""
        return -reduce_items(self.head(output, target).output, reduction)

    def scores(self, output: Any) -> Any:
        """Log-probabilities of all classes (b, n_classes)."""
        return self.head.log_prob(output)

    def check_arguments(self, output: Tensor, target: Tensor) -> None:
        """Refuses outputs of another width, and targets that are no class index of each row."""
        check_features(self.name, self.head, output, target, self.options.in_features)
        if target.shape != output.shape[:1] or target.dtype != torch.int64:
            raise misfit(self.name, "its target holds one class per row", "give y.long() of shape (rows,)", output=output, target=target)

    def check_targets(self, output: Tensor, target: Tensor) -> None:
        """Refuses classes that do not exist."""
        check_range(self.name, output.new_empty(1, self.options.n_classes), target, NONE_IGNORED)


class LinearCrossEntropy(IndexCriterion):
    """Cross-entropy of a linear layer of the output; output (b, in_features), target (b, …) or probabilities (b, c, …)."""

    options: LinearCrossEntropyOptions

    def __init__(self, options: LinearCrossEntropyOptions, head: nn.Module | None = None) -> None:
        super().__init__(options)
        self.head: Any = head or _make(lambda: self._head(options))
        self.simple = False
        if options.class_weight is not None:
            self.head.weight = None if self._buffers["class_weight"] is None else self._buffers["class_weight"].clone()

    def _head(self, options: LinearCrossEntropyOptions) -> nn.Module:
        if not hasattr(nn, "LinearCrossEntropyLoss"):
            fix = "install torch 2.13 or newer, or use nn.Linear in the model and cross_entropy"
            raise ConfigError("this torch has no LinearCrossEntropyLoss", where="loss", fix=fix)
        chunks = None if options.options is None else nn.LinearCrossEntropyOptions(**options.options)
        return nn.LinearCrossEntropyLoss(
            options.in_features,
            options.num_classes,
            out_features=tuple(options.out_features),
            bias=options.bias,
            reduction="sum",
            ignore_index=options.ignore_index,
            label_smoothing=options.label_smoothing,
            options=chunks,
        )

    def find_ignored(self, target: Tensor) -> int:
        """The class that is left out."""
        return IGNORED if self.ignore_index is None else self.ignore_index

    def compute(self, reduction: Reduction, output: Tensor, target: Tensor) -> Tensor:
        """The loss of every item, or their sum; an item left out costs 0."""
        self.head.reduction = reduction
        items: Tensor = self.head(output, target)
        return items

    def count(self, output: Tensor, target: Tensor) -> Count:
        """As many items as there are, but for those left out, each with the weight of its class."""
        if target.is_floating_point():
            return target.numel() // target.shape[1]
        return self.items(target, self._buffers["class_weight"], self.find_ignored(target))

    def scores(self, output: Any) -> Any:
        """Logits (b, num_classes, …)."""
        logits = self.head.linear(output)
        return logits.unflatten(-1, (self.options.num_classes, *self.options.out_features)) if self.options.out_features else logits

    def check_arguments(self, output: Tensor, target: Tensor) -> None:
        """Refuses outputs of another width, and targets of another shape."""
        options = self.options
        check_features(self.name, self.head, output, target, options.in_features)
        items, each = (len(output), *options.out_features), (len(output), options.num_classes, *options.out_features)
        if target.shape != (each if target.is_floating_point() else items):
            why = f"its target holds class numbers {items} or probabilities {each}"
            raise misfit(self.name, why, "give one class number per item as y.long()", output=output, target=target)
        if not target.is_floating_point() and target.dtype not in self.index_types:
            raise misfit(self.name, f"its target is {target.dtype}, torch takes int64", "give y.long()", output=output, target=target)

    def check_targets(self, output: Tensor, target: Tensor) -> None:
        """Refuses classes that do not exist, and probabilities that are none."""
        if target.is_floating_point():
            check_probabilities(self.name, output, target)
        else:
            check_range(self.name, output.new_empty(1, self.options.num_classes), target, self.find_ignored(target))


def check_features(loss: str, head: nn.Module, output: Tensor, target: Tensor, features: int) -> None:
    """Raises DataError when the model does not give (rows, in_features) in the type of the layer that the loss holds."""
    if output.dim() != 2 or output.shape[1] != features:
        why = f"it holds the last layer, for outputs (rows, {features})"
        raise misfit(loss, why, "set in_features to what the model gives, and leave the last layer out", output=output, target=target)
    own = next(head.parameters()).dtype
    if output.dtype != own and not torch.is_autocast_enabled(output.device.type):
        fix = "let the model give float32, or give the loss itself as a module in the type of the model"
        raise misfit(loss, f"its layer computes in {own}, and the model gives {output.dtype}", fix, output=output, target=target)


def _make(make: Any) -> Any:
    """The layer; torch's refusal of its arguments as ours."""
    try:
        return make()
    except (ValueError, RuntimeError, TypeError) as error:
        raise ConfigError("the layer of the loss cannot be made", where="loss", why=str(error), fix="give it other options") from error
