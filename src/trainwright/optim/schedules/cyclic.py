"""Schedules that fall from 1 to the floor, once or in cycles: half a cosine, a power, a hyperbolic tangent."""

from __future__ import annotations

import math

from trainwright.config.errors import ConfigError
from trainwright.optim.schedules.base import Extent, FlooredSchedule
from trainwright.optim.schedules.cycles import Cycles
from trainwright.optim.schedules.options import CosineOptions, CyclicOptions, PolynomialOptions, TanhOptions


class CyclicSchedule(FlooredSchedule):
    """floor + (peak − floor) · left((t/T)^k) with t steps of the cycle's T; the floor once all cycles are over."""

    def __init__(self, options: CyclicOptions, extent: Extent) -> None:
        super().__init__(options, extent)
        self.peak, self.power_of_time = options.cycle_peak, options.k_decay
        self.cycles = self._cycles(options, extent)

    def _cycles(self, options: CyclicOptions, extent: Extent) -> Cycles:
        if options.cycle is not None:
            return Cycles(extent.at_least_one(options.cycle, "cycle"), options.cycles, options.cycle_growth)
        length = self.rest() if options.length is None else extent.at_least_one(options.length, "length")
        count = options.cycles or 1
        found = Cycles.filling(length, count, options.cycle_growth)
        if length and found.first < 1:
            why = f"{count} cycles in {length} steps"
            raise ConfigError("the first cycle would be shorter than a step", where=f"{extent.where}.cycles", why=why, fix="ask for fewer")
        return found

    def shape(self, step: int) -> float:
        """The multiplier `step` updates after it began."""
        number, done = self.cycles.at(step)
        if done == 1:
            return self.floor
        return self.floor + (max(self.peak**number, self.floor) - self.floor) * self.left(done**self.power_of_time)

    def left(self, done: float) -> float:
        """How much of the way down is left when the share `done` of a cycle is over."""
        raise NotImplementedError


class Cosine(CyclicSchedule):
    """Half a cosine (Loshchilov and Hutter 2017, equation 5)."""

    def __init__(self, options: CosineOptions, extent: Extent) -> None:
        super().__init__(options, extent)

    def left(self, done: float) -> float:
        """(1 + cos π·done) / 2."""
        return (1 + math.cos(math.pi * done)) / 2


class Polynomial(CyclicSchedule):
    """A power of what is left."""

    def __init__(self, options: PolynomialOptions, extent: Extent) -> None:
        super().__init__(options, extent)
        self.power = options.power

    def left(self, done: float) -> float:
        """(1 − done)^power."""
        return float((1 - done) ** self.power)


class Tanh(CyclicSchedule):
    """A hyperbolic tangent between two of its places (Hsueh et al. 2019)."""

    leads_to_shape = True

    def __init__(self, options: TanhOptions, extent: Extent) -> None:
        super().__init__(options, extent)
        self.lower, self.upper = options.lower, options.upper

    def left(self, done: float) -> float:
        """(1 − tanh(lower·(1 − done) + upper·done)) / 2."""
        return (1 - math.tanh(self.lower * (1 - done) + self.upper * done)) / 2
