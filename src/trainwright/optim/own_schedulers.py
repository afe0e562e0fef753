"""Learning-rate schedulers that a system made itself, stepped when their own description says."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainwright.config.errors import ConfigError, did_you_mean

INTERVALS = ("epoch", "step")
KEYS = ("scheduler", "interval", "frequency", "monitor", "strict", "name", "reduce_on_plateau")


@dataclass
class OwnScheduler:
    """A torch scheduler, how often it steps, and the metric it hears where it wants one."""

    scheduler: Any
    interval: str = "epoch"
    """`step` or `epoch`."""
    frequency: int = 1
    """Steps or epochs between two of its steps."""
    monitor: str | None = None
    """The metric that its `step` takes; None where it takes none."""

    def due(self, interval: str, count: int) -> bool:
        """Whether it steps after so many steps or epochs."""
        return self.interval == interval and count % self.frequency == 0

    def step(self, metrics: Mapping[str, float]) -> None:
        """Step it. Raises ConfigError when the metric it hears was not measured."""
        if self.monitor is None:
            self.scheduler.step()
            return
        value = metrics.get(self.monitor, metrics.get(self.monitor.removeprefix("validation/"), math.nan))
        if math.isnan(value):
            fix = did_you_mean(self.monitor, metrics) if metrics else "measure it in validation_step"
            raise ConfigError(f"'{self.monitor}' was not measured, which a scheduler waits for", where="configure_optimizers", fix=fix)
        self.scheduler.step(value)

    def state(self) -> dict[str, Any]:
        """Its state as a checkpoint holds it: JSON. Raises ConfigError naming what is none."""
        found = {key: value for key, value in self.scheduler.state_dict().items() if not callable(value)}
        try:
            json.dumps(found)
        except (TypeError, ValueError) as error:
            name = type(self.scheduler).__name__
            fix = "use a scheduler whose state is numbers, or one of Trainwright's: trainwright list schedule"
            raise ConfigError(f"the state of {name} cannot be saved", where="configure_optimizers", why=str(error), fix=fix) from error
        return found

    def load(self, state: Mapping[str, Any]) -> None:
        """Take its state back."""
        self.scheduler.load_state_dict({**self.scheduler.state_dict(), **state})


def own_scheduler(given: Any, where: str) -> OwnScheduler:
    """A scheduler, or Lightning's description of one. Raises ConfigError for what is none."""
    described = dict(given) if isinstance(given, Mapping) else {"scheduler": given}
    unknown = next((key for key in described if key not in KEYS), None)
    if unknown is not None:
        raise ConfigError(f"unknown key '{unknown}' of lr_scheduler", where=where, fix=did_you_mean(unknown, KEYS))
    scheduler = described.get("scheduler")
    if not hasattr(scheduler, "step") or not hasattr(scheduler, "state_dict"):
        raise ConfigError(f"a {type(scheduler).__name__} is no scheduler", where=where, fix="give one of torch.optim.lr_scheduler")
    interval, frequency = described.get("interval", "epoch"), described.get("frequency", 1)
    if interval not in INTERVALS:
        raise ConfigError(f"interval '{interval}' is unknown", where=where, fix=did_you_mean(str(interval), INTERVALS))
    if not isinstance(frequency, int) or frequency < 1:
        raise ConfigError(f"frequency {frequency!r} is no count", where=where, fix="give 1 or more")
    monitor = described.get("monitor") if _hears(scheduler) else None
    if _hears(scheduler) and monitor is None:
        monitor = "val_loss" if isinstance(given, Mapping) else "loss"
    return OwnScheduler(scheduler, interval, frequency, monitor)


def _hears(scheduler: Any) -> bool:
    """Whether its `step` needs a metric, as ReduceLROnPlateau's does."""
    parameters = list(inspect.signature(scheduler.step).parameters.values())
    return bool(parameters) and parameters[0].default is parameters[0].empty and parameters[0].kind is not parameters[0].VAR_KEYWORD
