"""One learning rate throughout."""

from __future__ import annotations

from trainwright.optim.schedules.base import Extent, PureSchedule
from trainwright.optim.schedules.options import ConstantOptions


class Constant(PureSchedule):
    """The same level after the warm-up, which rises to it."""

    def __init__(self, options: ConstantOptions, extent: Extent) -> None:
        super().__init__(options, extent)
        self.level = options.level

    def factor(self, step: int) -> float:
        """The multiplier at `step`."""
        return self.level * super().factor(step)

    def shape(self, step: int) -> float:
        """1."""
        return 1.0
