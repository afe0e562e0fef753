"""What the loop asks of a schedule, and how durations become steps for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from trainwright.config.durations import Duration
from trainwright.config.errors import ConfigError


@dataclass(frozen=True)
class Extent:
    """How long the run is: steps per epoch, and steps in all (None while only a time limits it)."""

    steps_per_epoch: int
    steps: int | None

    def in_steps(self, duration: Duration, where: str) -> int:
        """A duration in whole steps, rounded up. Raises ConfigError for a time, or for a share of a run of unknown length."""
        if duration.kind == "time":
            raise ConfigError(
                f"'{duration}' is a time; steps or epochs are needed here", where=where, fix="write for example '500 steps' or '2 epochs'"
            )
        if duration.kind == "run":
            return math.ceil(duration.value * self.total(where))
        return math.ceil(duration.value * (self.steps_per_epoch if duration.kind == "epochs" else 1))

    def total(self, where: str) -> int:
        """Steps in all; raises ConfigError when only a time limits the run."""
        if self.steps is None:
            why = "only trainer.max_time limits this run"
            raise ConfigError(
                "the length of the run must be known here", where=where, why=why, fix="set trainer.max_epochs or trainer.max_steps"
            )
        return self.steps


class Schedule(Protocol):
    """Multiplier of the base learning rate."""

    def factor(self, step: int) -> float:
        """The multiplier at `step`, the number of updates already made."""

    def observe(self, value: float) -> None:
        """Hear the monitored metric of an evaluation; only plateau listens."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps; empty for pure functions of the step."""

    def load(self, state: Mapping[str, Any]) -> None:
        """Take the state back."""


class PureSchedule:
    """The base of schedules that depend on the step alone: a linear warm-up prefix, then `shape` of the steps after it."""

    def __init__(self, warmup: Duration, extent: Extent) -> None:
        self.warmup = extent.in_steps(warmup, "trainer.schedule.warmup")
        if extent.steps is not None and self.warmup > extent.steps:
            why = f"{self.warmup} steps of warm-up in a run of {extent.steps}"
            raise ConfigError(
                "the warm-up is longer than the run", where="trainer.schedule.warmup", why=why, fix="shorten it, or train longer"
            )

    def factor(self, step: int) -> float:
        """The multiplier at `step`: (step + 1) / (warm-up + 1) while warming up, so that no update is made with 0."""
        if step < self.warmup:
            return (step + 1) / (self.warmup + 1)
        return self.shape(step - self.warmup)

    def shape(self, step: int) -> float:
        """The multiplier at `step` after the warm-up."""
        raise NotImplementedError

    def observe(self, value: float) -> None:
        """Nothing: the step alone decides."""

    def state(self) -> dict[str, Any]:
        """Nothing to keep."""
        return {}

    def load(self, state: Mapping[str, Any]) -> None:
        """Nothing to take back."""
