"""A power of what is left of the run."""

from __future__ import annotations

from trainwright.optim.schedules.base import Extent, FallingSchedule
from trainwright.optim.schedules.options import PolynomialOptions


class Polynomial(FallingSchedule):
    """floor + (1 − floor) · (1 − t/T)^power with t steps after the warm-up out of T; the floor beyond."""

    def __init__(self, options: PolynomialOptions, extent: Extent) -> None:
        super().__init__(options, extent)
        self.power = options.power

    def left(self, done: float) -> float:
        """What is left, to the power."""
        return (1 - done) ** self.power
