"""A straight line from 1 to the floor."""

from __future__ import annotations

from trainwright.optim.schedules.base import FallingSchedule


class Linear(FallingSchedule):
    """1 − (1 − floor) · t/T with t steps after the warm-up out of T; the floor beyond."""

    def left(self, done: float) -> float:
        """What is left."""
        return 1 - done
