"""What every metric is: rows come in pieces and are summed up, pieces join, and the numbers are made at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.config.elsewhere import found_in

__getattr__ = found_in("trainwright.metrics.formulas", __name__, ("Additive", "Array", "Mean", "Ordered", "mean_defined"))


def wide(device: torch.device) -> torch.dtype:
    """What sums are kept in: float64, where the device has it."""
    return torch.float32 if device.type == "mps" else torch.float64


def exact(value: Tensor) -> Tensor:
    """Whole numbers and truths as int64, others as float64: what sums of any length lose nothing in that matters."""
    return value.detach().to(wide(value.device) if value.is_floating_point() else torch.int64)


class Metric:
    """One number, or several, of all rows of a split or of the training rows since the last evaluation.

    A subclass sums up in `update` what `compute` needs, by `self.add(hits=…, rows=…)`: sums stay on their device, whole numbers in int64
    and others in float64, so pieces of any size, workers and ranks give what all rows at once would. What is no sum needs `merge`,
    `tensors` and `load` of its own. The engine makes one for each evaluation and one for the training rows.
    """

    holds = "sums and counts"
    """What is kept of the rows, for a reader."""
    holds_rows = False
    """Whether rows themselves are kept, so that a limit on their bytes means something."""
    emptied_by_load = False
    """Whether `tensors` is all that it counts in, so that `load({})` makes it like a new one. One that says nothing is made anew."""

    def __init__(self, options: Any = None) -> None:
        self.options = options

    @property
    def sums(self) -> dict[str, Tensor]:
        """What was added up so far, by name."""
        found: dict[str, Tensor] = vars(self).setdefault("_sums", {})
        return found

    def add(self, **values: Tensor | float) -> None:
        """Add to the sums of these names; never waits for the device."""
        sums = self.sums
        for name, value in values.items():
            before, new = sums.get(name), exact(torch.as_tensor(value))
            sums[name] = new if before is None else before + new

    def update(self, outputs: Mapping[str, Tensor], batch: Any = None) -> None:
        """Take in what an evaluation step gave for some rows, rows first.

        `batch` is what the step was given; None for training rows, whose outputs (`Loss.outputs`) are taken in some steps at a time.
        """
        raise NotImplementedError

    def merge(self, others: Iterable[Metric]) -> None:
        """Take in what others like this one have seen, in their order."""
        for other in others:
            self.add(**other.sums)

    def compute(self) -> Mapping[str, float] | float:
        """The numbers by name, or one number; NaN where undefined. May wait for the device."""
        raise NotImplementedError

    def tensors(self) -> dict[str, Tensor]:
        """The state, for a checkpoint."""
        return dict(self.sums)

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state back; begin anew from nothing."""
        vars(self)["_sums"] = dict(tensors)

    def for_training(self, budget: int) -> None:
        """Called where the rows will be training rows: hold no more than the most recent that fit `budget` bytes, where any are held."""

    def details(self) -> dict[str, np.ndarray]:
        """Values per class and points of curves by name, for the history of evaluations; a few thousand numbers at most."""
        return {}

    def memory_of(self, rows: int) -> str:
        """What it will hold of so many rows where that grows with them, `'share' holds 1.2 MB for 10000 rows`, from those it has seen."""
        return ""

    def names(self) -> list[str] | None:
        """What `compute` gives, where that is known before it has seen rows."""
        return None

    def higher_is_better(self, name: str) -> bool | None:
        """Which way one of the numbers is better; None where that is not known."""
        return None
