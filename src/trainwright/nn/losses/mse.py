"""Squared error."""

from __future__ import annotations

from torch import Tensor

from trainwright.nn.losses.regression import NumberLoss


class MSE(NumberLoss):
    """`(output − truth)²`, averaged over the values of a row."""

    def of_error(self, output: Tensor, truth: Tensor) -> Tensor:
        return (output - truth).square()
