"""Up to the base learning rate and far down again (Smith and Topin 2018), in the steps that torch's OneCycleLR takes."""

from __future__ import annotations

import math
from itertools import pairwise

from trainwright.config.errors import ConfigError
from trainwright.optim.schedules.base import Extent, PureSchedule
from trainwright.optim.schedules.options import OneCycleOptions, ScheduleOptions

LEAST = 2
"""Steps of a rise: one is no rise, since it is where the rate begins."""


class OneCycle(PureSchedule):
    """From `start` at step 0 to 1 at the end of the rise, to `end` at the last step and beyond."""

    def __init__(self, options: OneCycleOptions, extent: Extent) -> None:
        super().__init__(ScheduleOptions(type=options.type, per=options.per), extent)  # its rise is its warm-up
        total, rise = extent.total(), _rise(options, extent)
        self.cosine = options.shape == "cosine"
        self.points: list[tuple[int, float]] = [(0, options.start), (rise - 1, 1.0)]
        if options.three_phase:
            self.points.append((2 * rise - 2, options.start))
        self.points.append((total - 1, options.end))

    def shape(self, step: int) -> float:
        """The multiplier at `step`."""
        for (before, first), (after, last) in pairwise(self.points):
            if step <= after:
                done = (step - before) / (after - before)
                return last + (first - last) * ((1 + math.cos(math.pi * done)) / 2 if self.cosine else 1 - done)
        return self.points[-1][1]


def _rise(options: OneCycleOptions, extent: Extent) -> int:
    """Steps of the rise: two or more, with one or more left for the fall, which the usual rise is fitted to. Raises ConfigError."""
    total, rise = extent.total(), extent.in_steps(options.rise, "rise")
    most, phases = (total // 2, ", twice in three phases") if options.three_phase else (total - 1, "")
    longer = "raise trainer.max_epochs (or max_steps), or lower trainer.batch_size"
    if most < LEAST:
        why = f"the run has {total} {'step' if total == 1 else 'steps'}; {4 if options.three_phase else 3} are the least"
        raise ConfigError("the run is too short for one_cycle", where=extent.where, why=why, fix=f"{longer}; or {extent.where}=constant")
    if options.rise == OneCycleOptions.model_fields["rise"].default:
        return min(max(rise, LEAST), most)
    if not LEAST <= rise <= most:
        why = f"a rise of {rise} {'step' if rise == 1 else 'steps'} in a run of {total}{phases}"
        fix = f"{extent.where}.rise takes {LEAST} to {most} steps here; or {longer}"
        raise ConfigError("the rise does not fit into the run", where=f"{extent.where}.rise", why=why, fix=fix)
    return rise
