"""What losses of numbers share."""

from __future__ import annotations

from torch import Tensor

from trainwright.nn.losses.base import RowLoss


class NumberLoss(RowLoss):
    """A function of the error, averaged over the values of a row; truth `[b]` or `[b, v]`."""

    def each(self, output: Tensor, truth: Tensor) -> Tensor:
        if truth.dim() < output.dim():
            return self.of_error(output.squeeze(-1), truth)
        return self.of_error(output, truth).mean(dim=-1)

    def of_error(self, output: Tensor, truth: Tensor) -> Tensor:
        """The loss of every value, in the shape of `truth`."""
        raise NotImplementedError
