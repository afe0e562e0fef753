"""The learning rates of a step: the optimizer's from its schedule, and those of groups that have a schedule of their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from trainwright.config.model import PartConfig
from trainwright.optim.base import Optimizer
from trainwright.optim.parameter_groups import ParameterGroup
from trainwright.optim.schedules.base import Schedule


def find_metric(metric: str, metrics: Mapping[str, float]) -> float:
    """The value of a metric by its name, or by its last part where only one target has it; NaN where it was not measured."""
    if metric in metrics:
        return metrics[metric]
    return next((value for name, value in metrics.items() if name.endswith(f".{metric}")), math.nan)


class Own(NamedTuple):
    """A schedule of its own, with the groups that share it; called by the first one's label."""

    label: str
    options: PartConfig
    schedule: Schedule
    groups: list[ParameterGroup]


class LearningRates:
    """Sets the optimizer's learning rate, and that of every group with a schedule of its own, before each update."""

    def __init__(self, optimizer: Optimizer, schedule: Schedule, make: Callable[[PartConfig], Schedule] | None = None) -> None:
        """`make` builds the schedules that groups ask for; groups made by one rule share one."""
        self.optimizer, self.schedule = optimizer, schedule
        self._own: list[Own] = []
        for group in optimizer.parameter_groups:
            options = group.schedule
            if options is None or make is None:
                continue
            shared = next((own for own in self._own if own.options is options), None)
            if shared is None:
                shared = Own(group.label, options, make(options), [])
                self._own.append(shared)
            shared.groups.append(group)

    def apply(self, step: int) -> None:
        """Set the rates of the update after `step` updates; with one schedule this is one assignment."""
        optimizer = self.optimizer
        optimizer.learning_rate = optimizer.base_learning_rate * self.schedule.factor(step)
        for own in self._own:
            rate = optimizer.base_learning_rate * own.schedule.factor(step)
            for group in own.groups:
                group.rate = rate * group.scale

    def observe(self, value: float, metrics: Mapping[str, float]) -> None:
        """Hear an evaluation: the monitored value, and all metrics for schedules that watch another."""
        for schedule in (self.schedule, *(own.schedule for own in self._own)):
            metric = getattr(schedule, "metric", None)
            schedule.observe(value if metric is None else find_metric(metric, metrics))

    def list_rates(self) -> dict[str, float]:
        """Group label → learning rate of the last update; empty when all have the optimizer's."""
        groups: Sequence[ParameterGroup] = self.optimizer.parameter_groups
        if own := self.own():
            return own if len(own) > 1 else {}
        if all(group.scale == 1.0 and group.rate is None for group in groups):
            return {}
        return {group.label: group.learning_rate(self.optimizer.learning_rate) for group in groups}

    def own(self) -> dict[str, float]:
        """Label → learning rate of the optimizers that the system made itself; empty for the run's own."""
        rates: Callable[[], dict[str, float]] | None = getattr(self.optimizer, "rates", None)
        return {} if rates is None else rates()

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps: the state of the schedule, and of each group's own by its label."""
        groups = {own.label: own.schedule.state() for own in self._own}
        return {"schedule": self.schedule.state(), "groups": groups}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take the state back."""
        self.schedule.load(state["schedule"])
        for own in self._own:
            own.schedule.load(state["groups"][own.label])
