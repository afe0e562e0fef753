"""Up to the base learning rate and far down again (Smith and Topin 2018), in the steps that torch's OneCycleLR takes."""

from __future__ import annotations

import math
from itertools import pairwise

from trainwright.config.errors import ConfigError
from trainwright.optim.schedules.base import Extent, PureSchedule
from trainwright.optim.schedules.options import OneCycleOptions, ScheduleOptions


class OneCycle(PureSchedule):
    """From `start` at step 0 to 1 at the end of the rise, to `end` at the last step and beyond."""

    def __init__(self, options: OneCycleOptions, extent: Extent) -> None:
        super().__init__(ScheduleOptions(type=options.type, per=options.per), extent)  # its rise is its warm-up
        total, rise = extent.total(), extent.in_steps(options.rise, "rise")
        self.cosine = options.shape == "cosine"
        self.points: list[tuple[int, float]] = [(0, options.start), (rise - 1, 1.0)]
        if options.three_phase:
            self.points.append((2 * rise - 2, options.start))
        self.points.append((total - 1, options.end))
        if any(after <= before for (before, _), (after, _) in pairwise(self.points)):
            why = f"a rise of {rise} steps in a run of {total}" + (", twice in three phases" if options.three_phase else "")
            fix = "it takes two steps or more, and leaves one or more for the fall"
            raise ConfigError("the rise does not fit into the run", where=f"{extent.where}.rise", why=why, fix=fix)

    def shape(self, step: int) -> float:
        """The multiplier at `step`."""
        for (before, first), (after, last) in pairwise(self.points):
            if step <= after:
                done = (step - before) / (after - before)
                return last + (first - last) * ((1 + math.cos(math.pi * done)) / 2 if self.cosine else 1 - done)
        return self.points[-1][1]
