"""Schedules multiplied with each other."""

from __future__ import annotations

import math
from dataclasses import replace

from trainwright.optim.schedules.base import Extent
from trainwright.optim.schedules.build import build_schedule, metric_of
from trainwright.optim.schedules.options import ProductOptions
from trainwright.optim.schedules.several import Several


class Product(Several):
    """The product of the parts' multipliers, each over the whole run."""

    def __init__(self, options: ProductOptions, extent: Extent, higher_is_better: bool = False) -> None:
        self.metric = metric_of(options, extent.where)
        self.parts = [
            build_schedule(part, replace(extent, where=f"{extent.where}.parts.{number}"), higher_is_better)
            for number, part in enumerate(options.parts)
        ]

    def factor(self, step: int) -> float:
        """The multiplier at `step`."""
        return math.prod(part.factor(step) for part in self.parts)
