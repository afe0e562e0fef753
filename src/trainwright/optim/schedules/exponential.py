"""Falls by the same ratio at every step."""

from __future__ import annotations

from trainwright.optim.schedules.base import Extent, FlooredSchedule
from trainwright.optim.schedules.options import ExponentialOptions


class Exponential(FlooredSchedule):
    """factor^(t / every) with t steps after the warm-up, not below the floor."""

    def __init__(self, options: ExponentialOptions, extent: Extent) -> None:
        super().__init__(options, extent)
        every = extent.at_least_one(options.every, "every")
        # `1 run` is what the warm-up left of it, so that the run ends at `factor`.
        self.every = max(every - self.begins, 1) if options.every.kind == "run" and options.every.value == 1 else every
        self.by = options.factor

    def shape(self, step: int) -> float:
        """The multiplier `step` updates after the warm-up."""
        return max(self.by ** (step / self.every), self.floor)
