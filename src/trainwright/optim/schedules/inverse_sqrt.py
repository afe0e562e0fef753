"""Falls with the square root of the step (Vaswani and others 2017, equation 3, with the peak at the base learning rate)."""

from __future__ import annotations

import math

from trainwright.optim.schedules.base import Extent, FlooredSchedule
from trainwright.optim.schedules.options import InverseSqrtOptions


class InverseSqrt(FlooredSchedule):
    """√(T / (T + t)) with t steps after the warm-up, not below the floor; T is the warm-up unless it is given."""

    def __init__(self, options: InverseSqrtOptions, extent: Extent) -> None:
        super().__init__(options, extent)
        given = options.timescale
        self.timescale = (self.warmup or extent.steps_per_epoch) if given is None else extent.at_least_one(given, "timescale")

    def shape(self, step: int) -> float:
        """The multiplier `step` updates after the warm-up."""
        return max(math.sqrt(self.timescale / (self.timescale + step)), self.floor)
