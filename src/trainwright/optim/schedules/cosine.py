"""Half a cosine from 1 to the floor, on request with warm restarts (Loshchilov and Hutter 2017, equation 5)."""

from __future__ import annotations

import math

from trainwright.config.errors import ConfigError
from trainwright.optim.schedules.base import Extent, FlooredSchedule
from trainwright.optim.schedules.cycles import Cycles
from trainwright.optim.schedules.options import CosineOptions


class Cosine(FlooredSchedule):
    """floor + (peak − floor) · (1 + cos π·t/T) / 2 with t steps of the cycle's T; the floor once all cycles are over."""

    def __init__(self, options: CosineOptions, extent: Extent) -> None:
        super().__init__(options, extent)
        self.peak = options.cycle_peak
        self.cycles = self._cycles(options, extent)

    def _cycles(self, options: CosineOptions, extent: Extent) -> Cycles:
        if options.cycle is not None:
            return Cycles(extent.at_least_one(options.cycle, "cycle"), options.cycles, options.cycle_growth)
        length = extent.total() - self.warmup if options.length is None else extent.at_least_one(options.length, "length")
        count = options.cycles or 1
        found = Cycles.filling(length, count, options.cycle_growth)
        if length and found.first < 1:
            why = f"{count} cycles in {length} steps"
            raise ConfigError("the first cycle would be shorter than a step", where=f"{extent.where}.cycles", why=why, fix="ask for fewer")
        return found

    def shape(self, step: int) -> float:
        """The multiplier `step` updates after the warm-up."""
        number, done = self.cycles.at(step)
        if done == 1:
            return self.floor
        return self.floor + (max(self.peak**number, self.floor) - self.floor) * (1 + math.cos(math.pi * done)) / 2
