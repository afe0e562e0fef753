"""The optimizers and schedulers that a LightningModule makes, in any form Lightning takes, and a step in Lightning's own order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from trainwright.config.errors import ConfigError, TrainwrightError, did_you_mean

WHERE = "configure_optimizers"
FORMS = "an optimizer, a list of them, (optimizers, schedulers), {'optimizer': …, 'lr_scheduler': …}, or a list of these"
KEYS = ("optimizer", "lr_scheduler", "monitor")
SCHEDULER_KEYS = ("scheduler", "name", "interval", "frequency", "reduce_on_plateau", "monitor", "strict")


@dataclass
class SchedulerConfig:
    """A scheduler and when it steps, as `trainer.lr_scheduler_configs` lists it."""

    scheduler: Any
    interval: str = "epoch"
    """`step` or `epoch`."""
    frequency: int = 1
    """Steps or epochs between two of its steps."""
    monitor: str | None = None
    """The metric it hears, where it is told one."""
    reduce_on_plateau: bool = False
    """Whether its step takes the metric."""
    strict: bool = True
    """Whether a metric that was not measured is an error."""
    name: str | None = None


@dataclass
class Made:
    """What `configure_optimizers` made."""

    optimizers: list[torch.optim.Optimizer] = field(default_factory=list)
    schedulers: list[SchedulerConfig] = field(default_factory=list)

    def for_engine(self) -> tuple[list[torch.optim.Optimizer], list[dict[str, Any]]]:
        """The form in which the engine takes them."""
        return self.optimizers, [self._describe(each) for each in self.schedulers]

    def _describe(self, each: SchedulerConfig) -> dict[str, Any]:
        described = {"scheduler": each.scheduler, "interval": each.interval, "frequency": each.frequency}
        return described if each.monitor is None or not each.reduce_on_plateau else {**described, "monitor": each.monitor}


def read_optimizers(result: Any, automatic: bool) -> Made:
    """The optimizers and schedulers in what `configure_optimizers` returned. Raises ConfigError for what Lightning refuses too."""
    optimizers, schedulers, monitor = _parts(result)
    wrong = [each for each in optimizers if not isinstance(each, torch.optim.Optimizer)]
    if wrong or not optimizers:
        what = f"a {type(wrong[0]).__name__} is no torch optimizer" if wrong else "configure_optimizers made no optimizer"
        raise ConfigError(what, where=WHERE, fix=f"return {FORMS}")
    if automatic and len(optimizers) > 1:
        why = "with several optimizers it cannot be known which loss is whose"
        fix = "set self.automatic_optimization = False, and step self.optimizers() in training_step"
        raise ConfigError(f"{len(optimizers)} optimizers need manual optimization", where=WHERE, why=why, fix=fix)
    found = [_scheduler(each, monitor, automatic) for each in schedulers]
    strange = next((each.scheduler for each in found if getattr(each.scheduler, "optimizer", optimizers[0]) not in optimizers), None)
    if strange is not None:
        fix = "return that optimizer too"
        raise ConfigError(f"{type(strange).__name__} moves an optimizer that was not returned", where=WHERE, fix=fix)
    return Made(list(optimizers), found)


def _parts(result: Any) -> tuple[Sequence[Any], list[Any], str | None]:
    """Optimizers, schedulers as they were given, and the metric named beside them."""
    if isinstance(result, Mapping):
        return [_optimizer(result)], _schedulers(result), result.get("monitor")
    if isinstance(result, list | tuple) and len(result) == 2 and isinstance(result[0], list):
        schedulers = result[1]
        return result[0], list(schedulers) if isinstance(schedulers, list | tuple) else [schedulers], None
    if isinstance(result, list | tuple) and result and all(isinstance(each, Mapping) for each in result):
        described = [_with_monitor(each, part.get("monitor")) for part in result for each in _schedulers(part)]
        return [_optimizer(each) for each in result], described, None
    if isinstance(result, list | tuple):
        return result, [], None
    return [result], [], None


def _optimizer(described: Mapping[str, Any]) -> Any:
    unknown = next((key for key in described if key not in KEYS), None)
    if unknown is not None or "optimizer" not in described:
        what = f"unknown key '{unknown}'" if unknown is not None else "there is no key 'optimizer'"
        raise ConfigError(what, where=WHERE, fix=did_you_mean(str(unknown or "optimizer"), KEYS))
    return described["optimizer"]


def _schedulers(described: Mapping[str, Any]) -> list[Any]:
    return [described["lr_scheduler"]] if described.get("lr_scheduler") is not None else []


def _with_monitor(scheduler: Any, monitor: str | None) -> Any:
    described = dict(scheduler) if isinstance(scheduler, Mapping) else {"scheduler": scheduler}
    return described if monitor is None else {"monitor": monitor, **described}


def _scheduler(given: Any, monitor: str | None, automatic: bool) -> SchedulerConfig:
    described = dict(given) if isinstance(given, Mapping) else {"scheduler": given}
    unknown = next((key for key in described if key not in SCHEDULER_KEYS), None)
    if unknown is not None or "scheduler" not in described:
        what = f"unknown key '{unknown}' of lr_scheduler" if unknown is not None else "lr_scheduler has no key 'scheduler'"
        raise ConfigError(what, where=WHERE, fix=did_you_mean(str(unknown or "scheduler"), SCHEDULER_KEYS))
    plateau = isinstance(described["scheduler"], torch.optim.lr_scheduler.ReduceLROnPlateau)
    found = SchedulerConfig(**{"reduce_on_plateau": plateau, "monitor": monitor, **described})
    if found.interval not in ("step", "epoch"):
        raise ConfigError(f"interval '{found.interval}' is unknown", where=WHERE, fix="write 'step' or 'epoch'")
    if automatic and found.reduce_on_plateau and found.monitor is None:
        fix = "{'scheduler': scheduler, 'monitor': 'val_loss'}"
        raise ConfigError("ReduceLROnPlateau is not told which metric to hear", where=WHERE, fix=fix)
    return found


class Stepper:
    """What `self.optimizers()` gives: the optimizer, whose step calls the module's hook and is counted."""

    def __init__(self, optimizer: torch.optim.Optimizer, module: Any, before: Callable[[torch.optim.Optimizer], None], count: Any) -> None:
        self.optimizer, self._module, self._before, self._count = optimizer, module, before, count

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self.optimizer)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.optimizer, name)

    def step(self, closure: Callable[[], Any] | None = None, **options: Any) -> Any:
        """The closure, the hook before the step, the step."""

        def whole() -> Any:
            found = None if closure is None else closure()
            self._before(self.optimizer)
            return found

        found = self.optimizer.step(closure=whole, **options)
        self._count()
        return found

    @contextmanager
    def toggle_model(self, sync_grad: bool = True) -> Iterator[None]:
        """Inside, only this optimizer's parameters have gradients."""
        self._module.toggle_optimizer(self.optimizer)
        try:
            yield
        finally:
            self._module.untoggle_optimizer(self.optimizer)


def step_schedulers(module: Any, schedulers: Sequence[SchedulerConfig], interval: str, count: int, metrics: Mapping[str, Any]) -> None:
    """Step those that are due after so many steps or epochs, by the module's `lr_scheduler_step`.

    Raises TrainwrightError when a metric that one waits for was not measured.
    """
    for each in schedulers:
        if each.interval != interval or count % each.frequency:
            continue
        value = metrics.get(each.monitor) if each.reduce_on_plateau and each.monitor is not None else None
        if each.reduce_on_plateau and value is None:
            if not each.strict:
                continue
            what = f"'{each.monitor}' was not measured, which a scheduler waits for"
            raise TrainwrightError(what, where=WHERE, fix=did_you_mean(str(each.monitor), metrics) or "log it in validation_step")
        module.lr_scheduler_step(each.scheduler, value)
