"""Falls by a factor at intervals."""

from __future__ import annotations

from trainwright.optim.schedules.base import Extent, FlooredSchedule
from trainwright.optim.schedules.options import StepOptions


class Step(FlooredSchedule):
    """factor^⌊t / every⌋ with t steps after the warm-up, not below the floor."""

    def __init__(self, options: StepOptions, extent: Extent) -> None:
        super().__init__(options, extent)
        self.every = extent.at_least_one(options.every, "every")
        self.by = options.factor

    def shape(self, step: int) -> float:
        """The multiplier `step` updates after the warm-up."""
        return max(self.by ** (step // self.every), self.floor)
