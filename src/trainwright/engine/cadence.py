"""Cadences: when something that happens every so often is due next."""

from __future__ import annotations

import time
from collections.abc import Callable

from trainwright.config.durations import Duration
from trainwright.config.errors import ConfigError
from trainwright.engine.plan import Plan


class Cadence:
    """Due at whole multiples of a number of steps (a pure function of the step), or when a time has passed since it last was."""

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
        self._clock, self._last = clock, clock()

    def due(self, step: int) -> bool:
        """Whether it is due after `step` updates."""
        if self.steps is not None:
            return step % self.steps == 0
        return self.seconds is not None and self._clock() - self._last >= self.seconds

    def done(self) -> None:
        """It happened now."""
        self._last = self._clock()

    def next_step(self, step: int) -> int:
        """The first step after `step` at which it may be due; a time must be looked at after every step."""
        return step + 1 if self.steps is None else (step // self.steps + 1) * self.steps
