"""Falls by a factor at milestones."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise

from trainwright.config.errors import ConfigError
from trainwright.optim.schedules.base import Extent, FlooredSchedule
from trainwright.optim.schedules.options import MultiStepOptions


class MultiStep(FlooredSchedule):
    """factor^(milestones reached), not below the floor; milestones are steps of the run, the warm-up included."""

    def __init__(self, options: MultiStepOptions, extent: Extent) -> None:
        super().__init__(options, extent)
        self.by = options.factor
        self.milestones = [extent.at_least_one(each, f"milestones.{number}") for number, each in enumerate(options.milestones)]
        places = f"{extent.where}.milestones"
        for (before, after), (first, second) in zip(pairwise(options.milestones), pairwise(self.milestones), strict=True):
            if second <= first:
                why = f"'{after}' (step {second}) follows '{before}' (step {first})"
                raise ConfigError("the milestones must increase", where=places, why=why, fix="write them in order, each once")
        if self.milestones[0] < self.warmup:
            why = f"the first is at step {self.milestones[0]}, the warm-up ends at step {self.warmup}"
            raise ConfigError("a milestone lies in the warm-up", where=places, why=why, fix="they count from the start of the run")
        if extent.steps is not None and self.milestones[-1] > extent.steps:
            late = options.milestones[-1]
            why = f"'{late}' is step {self.milestones[-1]} of a run of {extent.steps}"
            raise ConfigError("a milestone lies beyond the end of the run", where=places, why=why, fix="leave it out, or train longer")

    def shape(self, step: int) -> float:
        """The multiplier `step` updates after the warm-up."""
        return max(self.by ** bisect_right(self.milestones, step + self.begins), self.floor)
