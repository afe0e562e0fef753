"""A straight line from 1 to the floor."""

from __future__ import annotations

from trainwright.optim.schedules import LinearOptions
from trainwright.optim.schedules.base import Extent, PureSchedule


class Linear(PureSchedule):
    """1 − (1 − floor) · t/T with t steps after the warm-up out of T; no lower than the floor beyond."""

    def __init__(self, options: LinearOptions, extent: Extent) -> None:
        super().__init__(options.warmup, extent)
        self.length = extent.total("trainer.schedule") - self.warmup
        self.floor = options.floor

    def shape(self, step: int) -> float:
        """The multiplier `step` updates after the warm-up."""
        done = min(step / self.length, 1.0) if self.length else 1.0
        return 1 - (1 - self.floor) * done
