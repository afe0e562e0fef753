"""Falls with a power of the step."""

from __future__ import annotations

from trainwright.optim.schedules.base import Extent, FlooredSchedule
from trainwright.optim.schedules.options import InverseOptions


class Inverse(FlooredSchedule):
    """(1 + t / inv_gamma)^−power with t steps after the warm-up, not below the floor."""

    def __init__(self, options: InverseOptions, extent: Extent) -> None:
        super().__init__(options, extent)
        self.inv_gamma, self.power = options.inv_gamma, options.power

    def shape(self, step: int) -> float:
        """The multiplier `step` updates after the warm-up."""
        return max((1 + step / self.inv_gamma) ** -self.power, self.floor)
