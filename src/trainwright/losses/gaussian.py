"""Negative log-likelihood under a normal distribution with a variance head."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from trainwright.losses.base import Criterion, Reduction, reduce_items
from trainwright.losses.checks import require, same_shape, span
from trainwright.losses.options import GaussianNLLOptions
from trainwright.losses.wiring import look_inside


class GaussianNLL(Criterion):
    """½ (log var + (mean − target)² / var) (Nix and Weigend 1994).

    The model gives (mean, var), a mapping of them, or one tensor whose dimension 1 is twice the target's: means, then variances.
    A variance below 0 makes the loss NaN, which the trainer stops at, without waiting for the device to look.
    """

    options: GaussianNLLOptions
    kind = "number"
    takes = ("mean", "var")
    counts = "elements"

    def arguments(self, output: Any, target: Any, batch: Any = None) -> list[Any]:
        """Mean, variance and target."""
        if not isinstance(output, Tensor):
            if "var" not in self.names and "var" not in look_inside(output) and "variance" in look_inside(output):
                output = {**output, "var": output["variance"]}
            return super().arguments(output, target, batch)
        if output.dim() < 2 or output.shape[1] % 2:
            return super().arguments(output, target, batch)
        mean, var = output.chunk(2, dim=1)
        if isinstance(target, Tensor) and target.dim() == mean.dim() - 1 and mean.shape[1] == 1:
            mean, var = mean.squeeze(1), var.squeeze(1)
        return [mean, var, target]

    def compute(self, reduction: Reduction, mean: Tensor, var: Tensor, target: Tensor) -> Tensor:
        """The loss of every value, or their sum."""
        if mean.shape != target.shape:
            same_shape(self.name, mean, target)
        var = self._variance(mean, var)
        target = target if target.is_floating_point() else target.to(mean.dtype)
        each = 0.5 * (var.log() + (mean - target).square() / var)
        return reduce_items(each + 0.5 * math.log(2 * math.pi) if self.options.full else each, reduction)

    def _variance(self, mean: Tensor, var: Tensor) -> Tensor:
        """The variance, at least eps, with the gradient of the one given."""
        if self.options.variance == "softplus":
            var = functional.softplus(var)
        elif self.options.variance == "exp":
            var = var.exp()
        if var.shape != mean.shape and var.shape == mean.shape[:-1]:
            var = var.unsqueeze(-1)
        elif var.shape != mean.shape and var.shape != (*mean.shape[:-1], 1):
            same_shape(self.name, mean, var)
        with torch.no_grad():
            least = torch.where(var < 0, torch.nan, var.clamp_min(self.options.eps))
        return var + (least - var.detach())

    def check_arguments(self, mean: Tensor, var: Tensor, target: Tensor) -> None:
        """Refuses means that would be broadcast against the target, or variances against the means."""
        same_shape(self.name, mean, target)
        self._variance(mean, var)

    @property
    def bounded(self) -> bool:
        """Whether it takes variances as they are."""
        return self.options.variance == "given"

    def check_values(self, mean: Tensor, var: Tensor, target: Tensor) -> None:
        """Refuses negative variances."""
        if self.options.variance == "given":
            fix = "variance: softplus, or variance: exp where the model gives the log-variance"
            why = "a variance is 0 or more"
            require(self.name, (var >= 0).all(), lambda: f"{why}, the model gives {span(var)}", fix, mean=mean, var=var, target=target)
