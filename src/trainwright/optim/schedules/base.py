"""What the loop asks of a schedule, and how durations and rates become steps and shares for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from trainwright.config.durations import Duration
from trainwright.config.errors import ConfigError
from trainwright.optim.schedules.noise import Noise
from trainwright.optim.schedules.options import FallingOptions, FlooredOptions, NoiseOptions, ScheduleOptions
from trainwright.optim.schedules.warmup import WarmUp


@dataclass(frozen=True)
class Extent:
    """How long the run is, or the stretch of it that a schedule has, and what the schedule multiplies."""

    steps_per_epoch: int
    steps: int | None
    """Steps in all; None while only a time limits the run."""
    learning_rate: float | None = None
    """The base learning rate, for options that are rates; None where it is not known."""
    where: str = "trainer.schedule"
    """The place of the schedule in the configuration, for what is said of mistakes."""

    def in_steps(self, duration: Duration, option: str) -> int:
        """A duration in whole steps, rounded up. Raises ConfigError for a time, or for a share of a run of unknown length."""
        if duration.kind == "time":
            fix = "write for example '500 steps' or '2 epochs'"
            raise ConfigError(f"'{duration}' is a time; steps or epochs are needed here", where=f"{self.where}.{option}", fix=fix)
        unit = {"epochs": self.steps_per_epoch, "steps": 1}.get(duration.kind) or self.total(option)
        return math.ceil(round(duration.value * unit, 6))  # 0.07 · 100 is 7.000000000000001

    def at_least_one(self, duration: Duration, option: str) -> int:
        """The same; raises ConfigError also when that is no step at all."""
        steps = self.in_steps(duration, option)
        if steps < 1:
            fix = "write for example '500 steps' or '2 epochs'"
            raise ConfigError(f"'{duration}' is 0 steps; a length is needed here", where=f"{self.where}.{option}", fix=fix)
        return steps

    def total(self, option: str = "") -> int:
        """Steps in all; raises ConfigError when only a time limits the run."""
        if self.steps is None:
            raise ConfigError(
                "the length of the run must be known here",
                where=f"{self.where}.{option}".rstrip("."),
                why="only trainer.max_time limits this run",
                fix="set trainer.max_epochs or trainer.max_steps, or count in steps or epochs",
            )
        return self.steps

    def share(self, rate: float, option: str) -> float:
        """A rate as a share of the base learning rate; raises ConfigError when that is unknown, 0, or less than the rate."""
        if not self.learning_rate:
            why = "the base learning rate is 0" if self.learning_rate == 0 else "the base learning rate is not known yet"
            fix = f"give a share of it: {'warmup_from' if option.startswith('warmup') else 'floor'}"
            raise ConfigError(
                f"{rate:g} cannot be made a share of the base learning rate", where=f"{self.where}.{option}", why=why, fix=fix
            )
        if rate > self.learning_rate:
            why = f"a schedule goes no higher than the base learning rate, {self.learning_rate:g}"
            fix = "lower it, or raise trainer.optimizer.learning_rate"
            raise ConfigError(f"{rate:g} is above the base learning rate", where=f"{self.where}.{option}", why=why, fix=fix)
        return rate / self.learning_rate


class Schedule(Protocol):
    """Multiplier of the base learning rate."""

    def factor(self, step: int) -> float:
        """The multiplier at `step`, the number of updates already made."""

    def observe(self, value: float) -> None:
        """Hear a metric of an evaluation: the one `metric` names, or the monitored one; only plateau listens."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps; empty for pure functions of the step."""

    def load(self, state: Mapping[str, Any]) -> None:
        """Take the state back."""


class PureSchedule:
    """The base of schedules that depend on the step alone: a warm-up prefix, then `shape` of the steps after it."""

    metric: str | None = None
    """The metric to be heard by `observe`; None for the monitored one."""

    leads_to_shape = False
    """Whether a warm-up that is no prefix rises to what the schedule then says, in place of 1."""

    def __init__(self, options: ScheduleOptions, extent: Extent) -> None:
        self.extent = extent
        self.prefix = _warm_up(options, extent)
        self.warmup, self.fading = self.prefix.steps, options.warmup_decay
        self.begins = self.warmup if options.warmup_prefix else 0
        """The step at which the schedule itself begins."""
        self.held = extent.steps_per_epoch if options.per == "epoch" else 1
        self.noise = None if options.noise is None else _noise(options.noise, extent)

    def factor(self, step: int) -> float:
        """The multiplier at `step`, also beyond the end of the run; with `per: epoch` that of the epoch's first step."""
        step -= step % self.held
        value = self.shape(step - self.begins) if step >= self.warmup else self.rise(step)
        value = value * (1 - self.fading ** (step + 1)) if self.fading else value
        return value if self.noise is None else value * self.noise.factor(step, step // self.held)

    def rise(self, step: int) -> float:
        """The multiplier within the warm-up."""
        if self.begins or not self.leads_to_shape:
            return self.prefix.factor(step)
        return self.prefix.factor(step, self.shape(self.warmup))

    def rest(self) -> int:
        """Steps of the run that the schedule itself has; raises ConfigError where only a time limits the run."""
        return self.extent.total() - self.begins

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


class FlooredSchedule(PureSchedule):
    """The base of schedules with a floor."""

    def __init__(self, options: FlooredOptions, extent: Extent) -> None:
        super().__init__(options, extent)
        rate = options.min_learning_rate
        self.floor = (options.floor or 0.0) if rate is None else extent.share(rate, "min_learning_rate")


class FallingSchedule(FlooredSchedule):
    """The base of schedules that reach their floor after `length` steps."""

    def __init__(self, options: FallingOptions, extent: Extent) -> None:
        super().__init__(options, extent)
        self.length = self.rest() if options.length is None else extent.at_least_one(options.length, "length")

    def shape(self, step: int) -> float:
        """From 1 to the floor as `left` goes from 1 to 0; the floor after `length` steps."""
        if step >= self.length:
            return self.floor
        return self.floor + (1 - self.floor) * self.left(step / self.length)

    def left(self, done: float) -> float:
        """How much of the way down is left when the share `done` of the length is over."""
        raise NotImplementedError


def _noise(options: NoiseOptions, extent: Extent) -> Noise:
    begin = extent.in_steps(options.begin, "noise.begin")
    return Noise(options, begin, None if options.end is None else extent.in_steps(options.end, "noise.end"), extent.where)


def _warm_up(options: ScheduleOptions, extent: Extent) -> WarmUp:
    steps = extent.in_steps(options.warmup, "warmup")
    if extent.steps is not None and steps > extent.steps:
        why = f"{steps} steps of warm-up in a run of {extent.steps}"
        raise ConfigError("the warm-up is longer than the run", where=f"{extent.where}.warmup", why=why, fix="shorten it, or train longer")
    rate = options.warmup_learning_rate
    start = options.warmup_from if rate is None else extent.share(rate, "warmup_learning_rate")
    return WarmUp(steps, start, options.warmup_shape)
