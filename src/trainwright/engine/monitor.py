"""The monitored metric: which one it is, which way is better, and the best so far. NaN is never best."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from typing import Any

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.engine.config import EarlyStopping, TrainerConfig
from trainwright.engine.system import System
from trainwright.optim.schedules.build import listens, metric_of

log = logging.getLogger("trainwright.engine")

MODES = ("min", "max", "auto")


class Monitor:
    """Finds the value that decides in the metrics of an evaluation."""

    def __init__(self, config: TrainerConfig, system: System) -> None:
        asked = config.monitor.removeprefix("validation/")
        self.asked = system.monitor if asked == "auto" else asked
        self.system, self.by_default = system, asked == "auto"
        self.optional = self.by_default and system.monitor_is_optional and not _waited_for(config)
        """Whether an evaluation without the metric is one that picks nothing."""
        names = system.metric_names()
        if config.sample_metrics is not None and self.asked in config.sample_metrics.names():
            names = [self.asked]  # measured beside what the system says
        self.name = self.asked if names is None else resolve(self.asked, names)
        own = mode_of(system) if config.monitor == "auto" else "auto"
        self.mode = next((each for each in (config.mode, own) if each != "auto"), "") or self._mode(self.name)

    def _mode(self, name: str) -> str:
        higher = self.system.higher_is_better(name)
        if higher is None:
            why = f"nothing is known of '{name}'"
            raise ConfigError(
                f"is a higher '{name}' better or worse?", where="trainer.monitor", why=why, fix="set mode (trainer.mode) to max or min"
            )
        return "max" if higher else "min"

    @property
    def higher(self) -> bool:
        """Whether a higher value is better."""
        return self.mode == "max"

    def is_missing(self, metrics: Mapping[str, float]) -> bool:
        """Whether an evaluation has not the metric where it need not have it; said once, with what to do."""
        if not self.optional or self.name in metrics or len([each for each in metrics if each.endswith(f".{self.name}")]) == 1:
            return False
        if self.system.say_once("nothing is monitored"):
            measured = ", ".join(metrics) or "nothing"
            what = "no evaluation picks the best weights, since '%s' is not measured (measured: %s): the last ones are kept; %s"
            log.warning(what, self.name, measured, "log it in validation_step, or say what decides: monitor (trainer.monitor)")
        return True

    def value(self, metrics: Mapping[str, float]) -> float:
        """The monitored value of an evaluation; raises ConfigError naming the nearest when there is no such metric.

        NaN, which is never best, where a metric that is missing picks nothing.
        """
        if self.is_missing(metrics):
            return math.nan
        if not metrics:
            why, fix = "the evaluation step returned and logged nothing", "return a mapping of tensors or numbers from it, or log them"
            raise ConfigError("nothing was measured", where="evaluation_step", why=why, fix=fix)
        if self.name not in metrics and self.by_default:
            why = f"metrics gives {', '.join(metrics)}"
            fix = "say which one picks the best weights: monitor (trainer.monitor) and mode, or `monitor` and `mode` of the system"
            resolved = [each for each in metrics if each.endswith(f".{self.name}")]
            if len(resolved) != 1:
                raise ConfigError(f"there is no metric '{self.name}' to judge by", where="trainer.monitor", why=why, fix=fix)
        return metrics[resolve(self.name, metrics)]


def _waited_for(config: TrainerConfig) -> bool:
    """Whether something that was asked for waits for the monitored metric."""
    if config.early_stopping not in (None, EarlyStopping()):
        return True
    try:
        return listens(config.schedule) and metric_of(config.schedule) is None
    except ConfigError:
        return True  # of a schedule that cannot be: said where it is made


def mode_of(system: System) -> str:
    """Which way the system's own monitored metric is better: `min`, `max` or `auto`. Raises ConfigError for another word."""
    own: Any = system.mode
    if own not in MODES:
        fix = did_you_mean(str(own), MODES) if isinstance(own, str) else f"one of {', '.join(MODES)}"
        raise ConfigError(f"mode of the system is {own!r}", where=f"{system.shown_name}.mode", why="it is min, max or auto", fix=fix)
    return str(own)


def resolve(name: str, available: Iterable[str], where: str = "trainer.monitor") -> str:
    """The full key that `name` stands for: itself, or the only `<target>.<name>`. Raises ConfigError with the nearest name."""
    available = list(available)
    if name in available:
        return name
    found = [each for each in available if each.endswith(f".{name}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(f"'{name}' could be several metrics", where=where, fix=f"say which: {', '.join(found)}")
    raise ConfigError(f"there is no metric '{name}'", where=where, fix=did_you_mean(name, available))


class BestEvaluations:
    """The best `keep` evaluations so far, best first; on a tie the earlier one stays ahead."""

    def __init__(self, higher: bool, keep: int) -> None:
        self.sign, self.keep = (1.0 if higher else -1.0), keep
        self.entries: list[tuple[int, float]] = []

    @property
    def steps(self) -> list[int]:
        """Their steps, best first."""
        return [step for step, _ in self.entries]

    def offer(self, step: int, value: float) -> bool:
        """Hear of an evaluation; whether it is now among the best."""
        if math.isnan(value):
            return False
        others = [entry for entry in self.entries if entry[0] != step]
        self.entries = sorted([*others, (step, value)], key=lambda entry: (-self.sign * entry[1], entry[0]))[: self.keep]
        return step in self.steps

    def forget(self, steps: Iterable[int]) -> None:
        """Take out evaluations whose weights are lost."""
        lost = set(steps)
        self.entries = [entry for entry in self.entries if entry[0] not in lost]

    def state(self) -> list[Any]:
        """For a checkpoint."""
        return [list(entry) for entry in self.entries]

    def load(self, state: list[Any]) -> None:
        """Take the state back."""
        self.entries = [(int(step), float(value)) for step, value in state]
