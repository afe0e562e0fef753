"""Half a cosine from 1 to the floor (Loshchilov and Hutter 2017, equation 5, without restarts)."""

from __future__ import annotations

import math

from trainwright.optim.schedules import CosineOptions
from trainwright.optim.schedules.base import Extent, PureSchedule


class Cosine(PureSchedule):
    """floor + (1 − floor) · (1 + cos π·t/T) / 2 with t steps after the warm-up out of T; no lower than the floor beyond."""

    def __init__(self, options: CosineOptions, extent: Extent) -> None:
        super().__init__(options.warmup, extent)
        self.length = extent.total("trainer.schedule") - self.warmup
        self.floor = options.floor

    def shape(self, step: int) -> float:
        """The multiplier `step` updates after the warm-up."""
        done = min(step / self.length, 1.0) if self.length else 1.0
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * done)) / 2
