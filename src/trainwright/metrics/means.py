"""The mean over rows of each number that an evaluation step gives: what is measured where nothing else is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from trainwright.metrics.base import Metric


class MeansOfNumbers(Metric):
    """Means of outputs of one floating-point number per row, and of `loss` whatever it is."""

    emptied_by_load = True

    def update(self, outputs: Mapping[str, Tensor], batch: Any = None) -> None:
        """Take in the numbers of the rows."""
        for name, value in outputs.items():
            one_each = value.dim() == 1 or (value.dim() > 1 and value.numel() == len(value))
            if value.numel() and one_each and (value.is_floating_point() or name == "loss"):
                sums: dict[str, Tensor | float] = {f"total/{name}": value.double().sum(), f"rows/{name}": value.numel()}
                self.add(**sums)

    def compute(self) -> dict[str, float]:
        """The mean of each."""
        names = [name.removeprefix("total/") for name in self.sums if name.startswith("total/")]
        return {name: float(self.sums[f"total/{name}"]) / float(self.sums[f"rows/{name}"]) for name in names}
