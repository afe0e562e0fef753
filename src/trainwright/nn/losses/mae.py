"""Absolute error."""

from __future__ import annotations

from torch import Tensor

from trainwright.nn.losses.regression import NumberLoss


class MAE(NumberLoss):
    """`|output − truth|`, averaged over the values of a row."""

    def of_error(self, output: Tensor, truth: Tensor) -> Tensor:
        return (output - truth).abs()
