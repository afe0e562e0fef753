"""The optimizers and schedulers that a LightningModule makes, in any form Lightning takes, and a step in Lightning's own order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from trainwright.config.errors import ConfigError, TrainwrightError, did_you_mean, nearest
from trainwright.optim.configured import split_optimizers
from trainwright.optim.own_schedulers import KEYS as OF_SCHEDULER
from trainwright.optim.own_schedulers import OwnScheduler, describe_scheduler

log = logging.getLogger("trainwright.systems")

WHERE = "configure_optimizers"
FORMS = "an optimizer, a list of them, (optimizers, schedulers), {'optimizer': …, 'lr_scheduler': …}, or a list of these"
KEYS = ("optimizer", "lr_scheduler", "monitor")


@dataclass
class Made:
    """What `configure_optimizers` made."""

    optimizers: list[torch.optim.Optimizer] = field(default_factory=list)
    schedulers: list[OwnScheduler] = field(default_factory=list)


class NoOptimizer(torch.optim.Optimizer):
    """Stands where `configure_optimizers` returned None: Lightning goes backwards, and changes no weight."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, {})

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Nothing but the closure."""
        return None if closure is None else closure()


def stand_in(module: torch.nn.Module) -> NoOptimizer | None:
    """The optimizer of a module that wants none, said once; None where it has no parameters either, which is refused elsewhere."""
    params = [each for each in module.parameters() if each.requires_grad]
    if not params:
        return None
    log.warning("configure_optimizers returned None: no weight is changed, as in Lightning; return an optimizer, or leave it out")
    return NoOptimizer(params)


def without_strange_keys(given: Any, known: Sequence[str], where: str) -> Any:
    """A description without keys that mean nothing, which are said, as Lightning does; a misspelt one is left, to be refused."""
    if not isinstance(given, Mapping):
        return given
    strange = [key for key in given if key not in known and not nearest(str(key), list(known))]
    if strange:
        log.warning("%s: %s of %s is no key that means anything here, and left out", WHERE, ", ".join(map(repr, strange)), where)
    return {key: value for key, value in given.items() if key not in strange}


def read_optimizers(result: Any, automatic: bool) -> Made:
    """The optimizers and schedulers in what `configure_optimizers` returned. Raises ConfigError for what Lightning refuses too."""
    form = result if isinstance(result, Mapping | list | tuple) else [result]
    optimizers, schedulers = split_optimizers(_clear_keys(form), KEYS, FORMS)
    wrong = [each for each in optimizers if not isinstance(each, torch.optim.Optimizer)]
    if wrong or not optimizers:
        what = f"a {type(wrong[0]).__name__} is no torch optimizer" if wrong else "configure_optimizers made no optimizer"
        raise ConfigError(what, where=WHERE, fix=f"return {FORMS}")
    if automatic and len(optimizers) > 1:
        why = "with several optimizers it cannot be known which loss is whose"
        fix = "set self.automatic_optimization = False, and step self.optimizers() in training_step"
        raise ConfigError(f"{len(optimizers)} optimizers need manual optimization", where=WHERE, why=why, fix=fix)
    found = [_read_scheduler(each, automatic) for each in schedulers]
    strange = next((each.scheduler for each in found if getattr(each.scheduler, "optimizer", optimizers[0]) not in optimizers), None)
    if strange is not None:
        fix = "return that optimizer too"
        raise ConfigError(f"{type(strange).__name__} moves an optimizer that was not returned", where=WHERE, fix=fix)
    return Made(optimizers, found)


def _clear_keys(form: Any) -> Any:
    """What was returned, its mappings without keys that mean nothing."""
    if isinstance(form, Mapping):
        return without_strange_keys(form, KEYS, "the optimizer's")
    return [without_strange_keys(each, KEYS, "the optimizer's") for each in form]


def _read_scheduler(given: Any, automatic: bool) -> OwnScheduler:
    # Only torch's own is told a metric unasked: the `step` of others may want an epoch, which the module's `lr_scheduler_step` gives it.
    given = without_strange_keys(given, OF_SCHEDULER, "lr_scheduler")
    found = describe_scheduler(given, WHERE, lambda each: isinstance(each, torch.optim.lr_scheduler.ReduceLROnPlateau))
    found.within_epoch = True
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


def step_schedulers(module: Any, schedulers: Sequence[OwnScheduler], interval: str, count: int, metrics: Mapping[str, Any]) -> None:
    """Step those that are due after so many batches of the epoch, or epochs, by the module's `lr_scheduler_step`.

    Raises TrainwrightError when a metric that one waits for was not measured.
    """
    for each in schedulers:
        if not each.due(interval, count):
            continue
        value = metrics.get(each.monitor) if each.reduce_on_plateau and each.monitor is not None else None
        if each.reduce_on_plateau and value is None:
            if not each.strict:
                continue
            what = f"'{each.monitor}' was not measured, which a scheduler waits for"
            raise TrainwrightError(what, where=WHERE, fix=did_you_mean(str(each.monitor), metrics) or "log it in validation_step")
        module.lr_scheduler_step(each.scheduler, value)
