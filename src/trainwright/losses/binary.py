"""Binary cross-entropy, of probabilities and of logits."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from trainwright.losses.base import Reduction
from trainwright.losses.checks import MEANT, floats, require, same_shape, span, within
from trainwright.losses.classes import NONE_IGNORED, check_classes, check_range, check_rows, is_index, one_hot
from trainwright.losses.shared_options import CriterionOptions
from trainwright.losses.weights import WeightedCriterion, along_channels


class BCE(WeightedCriterion):
    """−t log p − (1 − t) log(1 − p), times the weight of its label; the model gives p."""

    kind = ""
    counts = "elements"

    def compute(self, reduction: Reduction, output: Tensor, target: Tensor) -> Tensor:
        """The loss of every element, or their sum."""
        if output.shape != target.shape:
            same_shape(self.name, output, target)
        weight = self._along("class_weight", output)
        return functional.binary_cross_entropy(output, target, weight, reduction=reduction)

    def _along(self, name: str, output: Tensor) -> Tensor | None:
        if self._buffers[name] is None and not self._unfitted:
            return None
        weight = self.weight(name, output)
        return None if weight is None else along_channels(weight, output)

    def check_arguments(self, output: Tensor, target: Tensor) -> None:
        """Refuses shapes that would be broadcast, and targets that are no floats."""
        same_shape(self.name, output, target)
        floats(self.name, output, target)

    @property
    def bounded(self) -> bool:
        """Whether it takes probabilities."""
        return True

    def check_targets(self, output: Tensor, target: Tensor) -> None:
        """Refuses targets outside 0 to 1."""
        fix = f"for class numbers use cross_entropy with y.long(); {MEANT}"
        within(self.name, 0.0, 1.0, "its target is from 0 to 1", fix, output, target)

    def check_values(self, output: Tensor, target: Tensor) -> None:
        """Refuses logits."""
        fix = "use bce_with_logits for logits, or let the model end in a sigmoid"
        why = "it takes probabilities, from 0 to 1"
        inside = ((output >= 0) & (output <= 1)).all()
        require(self.name, inside, lambda: f"{why}, the model gives {span(output)}", fix, output=output, target=target)


class BCEWithLogits(BCE):
    """BCE of sigmoid(output), computed without loss of digits; positives times `pos_weight`, truth smoothed towards one half.

    A class number for each row means its class alone, smoothed by ε as timm has it: ε/C for the others, 1 − ε + ε/C for its own.
    """

    kind = "binary"
    expects = "logits"

    def __init__(self, options: CriterionOptions) -> None:
        super().__init__(options)
        self.smoothing: float = getattr(options, "label_smoothing", 0.0)
        self.threshold: float | None = getattr(options, "threshold", None)
        self.takes_shares = self.threshold is not None

    def compute(self, reduction: Reduction, output: Tensor, target: Tensor) -> Tensor:
        """The loss of every element, or their sum."""
        target = self.soften(output, target)
        if output.shape != target.shape:
            same_shape(self.name, output, target)
        if self.threshold is not None:
            target = target.gt(self.threshold).to(output.dtype)
        weight, positive = self._along("class_weight", output), self._along("pos_weight", output)
        return functional.binary_cross_entropy_with_logits(output, target, weight, reduction=reduction, pos_weight=positive)

    def soften(self, output: Tensor, target: Tensor) -> Tensor:
        """The truth of every element, smoothed: of class numbers, of shares of classes, or of labels that are there or not."""
        if is_index(output, target):
            return one_hot(target, output.shape[1], self.smoothing).to(output.dtype)
        if not self.smoothing:
            return target
        return target * (1 - self.smoothing) + self.smoothing / (output.shape[1] if self.exclusive else 2)

    def check_arguments(self, output: Tensor, target: Tensor) -> None:
        """Refuses shapes that would be broadcast, and targets that are neither floats nor a class number of each row."""
        if is_index(output, target):
            check_classes(self.name, output)
            check_rows(self.name, output, target)
            return
        super().check_arguments(output, target)

    def check_targets(self, output: Tensor, target: Tensor) -> None:
        """Refuses targets outside 0 to 1, and classes that the model does not have."""
        if is_index(output, target):
            check_range(self.name, output, target, NONE_IGNORED)
            return
        super().check_targets(output, target)

    @property
    def bounded(self) -> bool:
        """Logits may be any."""
        return False

    def check_values(self, output: Tensor, target: Tensor) -> None:
        """Logits may be any."""
