"""Intervals: when something that happens every so often is due next."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from trainwright.config.durations import Duration
from trainwright.config.errors import ConfigError
from trainwright.engine.plan import Plan

NEVER = 1 << 62
"""A count of batches that no run reaches."""


class Interval:
    """Due at whole multiples of a number of steps or batches (a pure function of the place), or when a time has passed since it last was.

    Epochs and shares of the run are counted in batches: one that was left out is over, though it made no step.
    """

    def __init__(self, every: Duration, plan: Plan, where: str, clock: Callable[[], float] = time.perf_counter) -> None:
        self.steps: int | None = None
        self.seconds: float | None = None
        if every.value <= 0:
            raise ConfigError(f"every '{every}' is never", where=where, fix="give a length above 0, for example '1 epoch'")
        if every.kind == "time":
            self.seconds = every.seconds
        elif every.kind == "run" and plan.max_steps is None and plan.max_seconds is not None:
            self.seconds = every.value * plan.max_seconds
        else:
            self.steps = plan.extent.in_steps(every, where)
        self.in_batches, self._first = every.kind != "steps", plan.first_tick if every.kind == "epochs" else 0
        self._clock, self._last = clock, clock()

    def due(self, step: int, batches_seen: int | None = None) -> bool:
        """Whether it is due after `step` updates and `batches_seen` batches (as many as updates, unless some were left out)."""
        if self.steps is not None:
            return self._count(step, batches_seen) % self.steps == 0
        return self.seconds is not None and self._clock() - self._last >= self.seconds

    def _count(self, step: int, batches_seen: int | None) -> int:
        return step if batches_seen is None or not self.in_batches else batches_seen - self._first

    def done(self) -> None:
        """It happened now."""
        self._last = self._clock()

    def next_step(self, step: int, batches_seen: int | None = None) -> int:
        """The first count of batches at which it is due; for one of time, never (`next_moment` says when)."""
        batches_seen = step if batches_seen is None else batches_seen
        if self.steps is None:
            return NEVER
        return batches_seen + self.steps - self._count(step, batches_seen) % self.steps

    def next_due_at(self) -> float:
        """When it is due by the clock (seconds of `time.perf_counter`); infinity for one that counts steps or batches."""
        return math.inf if self.seconds is None else self._last + self.seconds
