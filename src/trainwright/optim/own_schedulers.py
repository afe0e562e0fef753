"""Learning-rate schedulers that a system made itself, stepped when their own description says."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Mapping
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
    """The metric it hears, where it is told one."""
    reduce_on_plateau: bool = False
    """Whether its `step` takes the metric."""
    strict: bool = True
    """Whether a metric that was not measured is an error."""
    name: str | None = None
    within_epoch: bool = False
    """Whether steps are counted anew in every epoch, in batches, as Lightning counts."""

    def due(self, interval: str, count: int) -> bool:
        """Whether it steps after so many steps or epochs."""
        return self.interval == interval and count % self.frequency == 0

    def step(self, metrics: Mapping[str, float]) -> None:
        """Step it; without the metric it hears not, or where it is strict raise ConfigError."""
        if not self.reduce_on_plateau or self.monitor is None:
            self.scheduler.step()
            return
        value = metrics.get(self.monitor, metrics.get(self.monitor.removeprefix("validation/"), math.nan))
        if math.isnan(value):
            if not self.strict:
                return
            fix = did_you_mean(self.monitor, metrics) if metrics else "measure it in validation_step"
            raise ConfigError(f"'{self.monitor}' was not measured, which a scheduler waits for", where="configure_optimizers", fix=fix)
        self.scheduler.step(value)

    def state(self) -> dict[str, Any]:
        """Its state as a checkpoint holds it: JSON. Raises ConfigError naming what is none."""
        found = {key: value for key, value in (self.scheduler.state_dict() or {}).items() if not callable(value)}
        try:
            json.dumps(found)
        except (TypeError, ValueError) as error:
            name = type(self.scheduler).__name__
            fix = "use a scheduler whose state is numbers, or one of Trainwright's: trainwright list schedule"
            raise ConfigError(f"the state of {name} cannot be saved", where="configure_optimizers", why=str(error), fix=fix) from error
        return found

    def load(self, state: Mapping[str, Any]) -> None:
        """Take its state back."""
        self.scheduler.load_state_dict({**(self.scheduler.state_dict() or {}), **state})


def own_scheduler(given: Any, where: str) -> OwnScheduler:
    """A scheduler, or Lightning's description of one, with the loss to hear where none is named. Raises ConfigError for what is none."""
    if isinstance(given, OwnScheduler):
        return given
    found = describe_scheduler(given, where, _hears)
    if found.reduce_on_plateau and found.monitor is None:
        found.monitor = "val_loss" if isinstance(given, Mapping) else "loss"
    return found


def describe_scheduler(given: Any, where: str, hears: Callable[[Any], bool]) -> OwnScheduler:
    """What is said of a scheduler, `hears` whether its step takes a metric where that is not said. Raises ConfigError for what is none."""
    described = dict(given) if isinstance(given, Mapping) else {"scheduler": given}
    unknown = next((key for key in described if key not in KEYS), None)
    if unknown is not None:
        raise ConfigError(f"unknown key '{unknown}' of lr_scheduler", where=where, fix=did_you_mean(str(unknown), KEYS))
    if "scheduler" not in described:
        raise ConfigError("lr_scheduler has no key 'scheduler'", where=where, fix="give {'scheduler': one of torch.optim.lr_scheduler, …}")
    scheduler = described["scheduler"]
    if not hasattr(scheduler, "step") or not hasattr(scheduler, "state_dict"):
        raise ConfigError(f"a {type(scheduler).__name__} is no scheduler", where=where, fix="give one of torch.optim.lr_scheduler")
    found = OwnScheduler(**described)
    found.reduce_on_plateau = bool(found.reduce_on_plateau or hears(scheduler))
    if found.interval not in INTERVALS:
        raise ConfigError(f"interval '{found.interval}' is unknown", where=where, fix=did_you_mean(str(found.interval), INTERVALS))
    if not isinstance(found.frequency, int) or found.frequency < 1:
        raise ConfigError(f"frequency {found.frequency!r} is no count", where=where, fix="give 1 or more")
    return found


def _hears(scheduler: Any) -> bool:
    """Whether its `step` needs a metric, as ReduceLROnPlateau's does."""
    parameters = list(inspect.signature(scheduler.step).parameters.values())
    return bool(parameters) and parameters[0].default is parameters[0].empty and parameters[0].kind is not parameters[0].VAR_KEYWORD
