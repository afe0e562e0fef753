"""Losses of one value against one value: the sum over elements, and how many elements."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from trainwright.losses.base import Criterion, Reduction
from trainwright.losses.checks import MEANT, floats, require, same_shape, span, within
from trainwright.losses.of_signs import OfSigns
from trainwright.losses.options import (
    HingeEmbeddingOptions,
    HuberOptions,
    KLDivOptions,
    PoissonNLLOptions,
    SmoothL1Options,
)


class Elementwise(Criterion):
    """Output and target of one shape; a subclass gives the loss of every element, or their sum, in `of_values`."""

    kind = "number"
    counts = "elements"

    def compute(self, reduction: Reduction, output: Tensor, target: Tensor) -> Tensor:
        """The loss of every element, or their sum; raises DataError rather than broadcast."""
        if output.shape != target.shape:
            same_shape(self.name, output, target)
        if not target.is_floating_point() and not target.is_complex():
            target = target.to(output.dtype)  # torch refuses bool in some losses and whole numbers in others
        return self.of_values(output, target, reduction)

    def of_values(self, output: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
        """The loss of every element, or their sum."""
        raise NotImplementedError

    def check_arguments(self, output: Tensor, target: Tensor) -> None:
        """Refuses shapes that would be broadcast."""
        same_shape(self.name, output, target)


class L1(Elementwise):
    """|output − target|."""

    takes_complex = True

    def of_values(self, output: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
        return functional.l1_loss(output, target, reduction=reduction)


class MSE(Elementwise):
    """(output − target)²."""

    def of_values(self, output: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
        return functional.mse_loss(output, target, reduction=reduction)


class SmoothL1(Elementwise):
    """½d²/β where |d| < β, |d| − ½β elsewhere (Girshick 2015)."""

    options: SmoothL1Options

    def of_values(self, output: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
        return functional.smooth_l1_loss(output, target, reduction=reduction, beta=self.options.beta)


class Huber(Elementwise):
    """½d² where |d| < δ, δ(|d| − ½δ) elsewhere (Huber 1964)."""

    options: HuberOptions

    def of_values(self, output: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
        if output.dtype != target.dtype:  # unlike its siblings torch's does not join types
            common = torch.promote_types(output.dtype, target.dtype)
            output, target = output.to(common), target.to(common)
        return functional.huber_loss(output, target, reduction=reduction, delta=self.options.delta)


class PoissonNLL(Elementwise):
    """rate − target · log rate."""

    options: PoissonNLLOptions
    kind = ""

    def of_values(self, output: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
        options = self.options
        return functional.poisson_nll_loss(output, target, options.log_input, options.full, eps=options.eps, reduction=reduction)

    @property
    def bounded(self) -> bool:
        """Whether it takes rates."""
        return not self.options.log_input

    def check_targets(self, output: Tensor, target: Tensor) -> None:
        """Refuses negative counts."""
        within(self.name, 0.0, math.inf, "counts are 0 or more", f"check the target; {MEANT}", output, target)

    def check_values(self, output: Tensor, target: Tensor) -> None:
        """Refuses negative rates."""
        found = {"output": output, "target": target}
        if not self.options.log_input:
            fix = "let the model end in softplus or exp, or give its logarithm with log_input: true"
            require(self.name, (output >= 0).all(), lambda: f"a rate is 0 or more, the model gives {span(output)}", fix, **found)


class KLDiv(Elementwise):
    """target · (log target − output), output and, with `log_target`, target in logarithms."""

    options: KLDivOptions
    kind = ""

    def of_values(self, output: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
        if self.options.log_softmax:
            output = output.log_softmax(dim=1)
        return functional.kl_div(output, target, reduction=reduction, log_target=self.options.log_target)

    def check_arguments(self, output: Tensor, target: Tensor) -> None:
        """Refuses shapes that would be broadcast, and class indices."""
        same_shape(self.name, output, target)
        floats(self.name, output, target)

    @property
    def bounded(self) -> bool:
        """Whether it takes log-probabilities."""
        return not self.options.log_softmax

    def check_targets(self, output: Tensor, target: Tensor) -> None:
        """Refuses a target that is on the other side of the logarithm."""
        if self.options.log_target:
            fix = f"leave log_target out, or give the target in logarithms; {MEANT}"
            why = "with log_target the target holds log-probabilities, 0 or less"
            within(self.name, -math.inf, 1e-6, why, fix, output, target)
        else:
            fix = f"give log_target: true for log-probabilities, or target.softmax(1) for logits; {MEANT}"
            within(self.name, 0.0, 1 + 1e-6, "the target holds probabilities", fix, output, target)

    def check_values(self, output: Tensor, target: Tensor) -> None:
        """Refuses outputs that are no log-probabilities."""
        if not self.options.log_softmax:
            fix = f"give log_softmax: true for logits, or take the logarithm in the model; {MEANT}"
            why = "log-probabilities are 0 or less"
            holds = (output <= 1e-6).all()
            require(self.name, holds, lambda: f"{why}, the model gives {span(output)}", fix, output=output, target=target)


class SoftMargin(OfSigns, Elementwise):
    """log(1 + exp(−target · output))."""

    kind = ""
    expects = "logits"

    def of_values(self, output: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
        return functional.soft_margin_loss(output, target, reduction=reduction)


class HingeEmbedding(OfSigns, Elementwise):
    """output where target = 1, max(0, margin − output) where target = −1."""

    options: HingeEmbeddingOptions
    kind = ""

    def of_values(self, output: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
        return functional.hinge_embedding_loss(output, target, self.options.margin, reduction=reduction)
