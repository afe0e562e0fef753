"""Falls by a factor at intervals."""

from __future__ import annotations

from trainwright.config.errors import ConfigError
from trainwright.optim.schedules import StepOptions
from trainwright.optim.schedules.base import Extent, PureSchedule


class Step(PureSchedule):
    """factor^⌊t / every⌋, with t steps after the warm-up."""

    def __init__(self, options: StepOptions, extent: Extent) -> None:
        super().__init__(options.warmup, extent)
        self.every = extent.in_steps(options.every, "trainer.schedule.every")
        self.by = options.factor
        if self.every < 1:
            raise ConfigError("the learning rate cannot fall every 0 steps", where="trainer.schedule.every")

    def shape(self, step: int) -> float:
        """The multiplier `step` updates after the warm-up."""
        return self.by ** (step // self.every)
