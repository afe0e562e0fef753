"""The base learning rate throughout."""

from __future__ import annotations

from trainwright.optim.schedules import ConstantOptions
from trainwright.optim.schedules.base import Extent, PureSchedule


class Constant(PureSchedule):
    """1 after the warm-up."""

    def __init__(self, options: ConstantOptions, extent: Extent) -> None:
        super().__init__(options.warmup, extent)

    def shape(self, step: int) -> float:
        """1."""
        return 1.0
