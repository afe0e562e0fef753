"""What the settings of a run make for so many rows, whatever is trained; and what is wrong with them before anything is made or read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from trainwright.config import registry
from trainwright.config.errors import ConfigError, ManyErrors, RequestError
from trainwright.config.model import PartConfig
from trainwright.engine.callbacks.making import make_callbacks
from trainwright.engine.clock import intervals_of
from trainwright.engine.config import EarlyStopping, TrainerConfig
from trainwright.engine.growth import check_growth
from trainwright.engine.interval import Interval
from trainwright.engine.modes import check_names
from trainwright.engine.plan import Plan, make_plan
from trainwright.engine.saving.kinds import check_rollback
from trainwright.engine.saving.when import SaveIntervals
from trainwright.engine.scaling import learning_rate_of, scale_learning_rate, with_learning_rate
from trainwright.optim.averages import moments
from trainwright.optim.build import base_learning_rate, build_optimizer
from trainwright.optim.combinations import Setting, cannot_combine
from trainwright.optim.gradient_hooks import check_functions
from trainwright.optim.parameter_groups import ParameterGroup
from trainwright.optim.schedules.base import Extent, Schedule
from trainwright.optim.schedules.build import build_schedule, listens

UNKNOWN_RATE = 1e-3
"""Stands for a learning rate that is still to be found, while everything else is checked."""
ROWS = (1, 37, 10_000, 10**8)
"""Numbers of training rows for which settings are tried while nothing is known of the data."""


class Settings:
    """The parts that the settings of one run make for so many rows, as far as they do not depend on what is trained."""

    def __init__(
        self,
        config: TrainerConfig,
        rows: int,
        validated: bool = True,
        ready: bool = False,
        batch_statistics: bool = False,
        ranks: int = 1,
    ) -> None:
        """`ready`: rows are whole batches. `ranks`: processes that share each step. Raises ConfigError when the lengths cannot be."""
        self.config, self.validated, self.ready, self.batch_statistics = config, validated, ready, batch_statistics
        self._wrong: list[RequestError] = []
        plain = config.model_copy(update={"batch_size": None, "micro_batch_size": None, "accumulation": None, "max_batch_size": None})
        asked = config if not ready else plain.model_copy(update={"accumulation": config.accumulation})
        made: Plan | None = keep_error(self._wrong, lambda: make_plan(asked, rows, batch_statistics, ready, ranks))
        self.plan = made or make_plan(plain, rows, batch_statistics, ready, ranks)  # to see what else is wrong
        known = with_learning_rate(config.optimizer, UNKNOWN_RATE) if learning_rate_of(config.optimizer) == "auto" else config.optimizer
        self.optimizer_options: PartConfig = scale_learning_rate(known, config.learning_rate_scaling, self.plan.batch_size)
        self.learning_rate = base_learning_rate(self.optimizer_options)
        self.length: Extent | None = None
        """Another length of the run than the plan's, to see what would have been."""

    @property
    def extent(self) -> Extent:
        """What schedules need to know of the run."""
        return replace(self.length or self.plan.extent, learning_rate=self.learning_rate or None)

    def schedule(self, options: PartConfig | None = None) -> Schedule:
        """The run's schedule, or one of a group's own."""
        options = self.config.schedule if options is None else options
        return build_schedule(options, self.extent, self._higher(options))

    def _higher(self, options: PartConfig) -> bool:
        """Which way the metric that a schedule listens to is better; nothing is refused for it here."""
        return False

    def intervals(self) -> tuple[Interval, ...]:
        """When a row is logged, the validation split is evaluated, and samples are made."""
        return tuple(each for each in intervals_of(self.config, self.plan) if each is not None)

    def setting(self, groups: list[ParameterGroup]) -> Setting:
        """What the optimizer is combined with."""
        config = self.config
        return Setting(
            precision=config.precision.type,
            parameter_groups=len({(group.scale, id(group.schedule) if group.schedule else None) for group in groups}),
            freezes=any(group.frozen_until is not None or group.frozen_from is not None for group in groups),
            whole_data=self.plan.steps_per_epoch == 1,
            clips=config.clip.any,
            averages=config.ema is not None or config.swa is not None,
            decays=config.schedule.type not in ("constant", "lambda"),
        )

    def find_wrong(self) -> list[RequestError]:
        """Every mistake that shows without a system."""
        errors = [*self._wrong, *cannot_combine(self.optimizer_options, self.setting([]))]
        schedules = [self.config.schedule, *(rule.schedule for rule in self.config.parameters.rules if rule.schedule is not None)]
        for each in schedules:
            keep_error(errors, partial(self.schedule, each))
        for part in (self._growing, self.intervals, self._saving, self._averages, self._listening):
            keep_error(errors, part)
        return errors

    def _growing(self) -> None:
        if self.config.batch_growth is not None:
            check_growth(self.config.batch_growth, self.plan, self.config.schedule, validated=self.validated)

    def _ready(self) -> None:
        """Raise ConfigError for sizes of batches that come ready from a loader."""
        config = self.config
        if not self.ready:
            return
        asked = [name for name in ("batch_size", "micro_batch_size", "max_batch_size", "batch_growth") if getattr(config, name) is not None]
        if asked or config.accumulation == "auto":
            name = asked[0] if asked else "accumulation"
            why = "the training data come in batches already"
            fix = "set it in the DataLoader; trainer.accumulation joins several of its batches into one step"
            raise ConfigError(f"{name} cannot be set here", where=f"trainer.{name}", why=why, fix=fix)

    def _saving(self) -> None:
        SaveIntervals.of(self.config.checkpoint, self.plan)
        check_rollback(self.config.checkpoint, self.config.recovery)

    def _averages(self) -> None:
        if self.config.swa is not None:
            moments(self.config.swa, self.plan.extent)

    def _listening(self) -> None:
        """Raise ManyErrors for what waits for evaluations that never come."""
        config = self.config
        waiting = {
            "trainer.schedule": listens(config.schedule) and f"{config.schedule.type} has nothing to watch",
            "trainer.early_stopping": config.early_stopping not in (None, EarlyStopping()) and "patience without evaluations",
            "trainer.monitor": config.monitor != "auto" and f"'{config.monitor}' is never measured",
        }
        why, fix = "there are no validation rows", "give validation rows, or leave it out"
        every = Interval(config.evaluate_every, self.plan, "trainer.evaluate_every").steps
        late = self.validated and every is not None and self.plan.max_steps is not None and every > self.plan.max_steps
        if late:
            why, fix = "the run ends before the first evaluation", "make trainer.evaluate_every shorter, or leave it out"
            del waiting["trainer.monitor"]
        found = [
            ConfigError(what, where=where, why=why, fix=fix) for where, what in waiting.items() if what and (late or not self.validated)
        ]
        if found:
            raise ManyErrors(list(found))


def check_settings(config: TrainerConfig) -> None:
    """Raise ConfigError, or ManyErrors, for what no system and no number of rows can make right; nothing is made or read for it."""
    errors = _of_every_length([Settings(config, rows).find_wrong() for rows in ROWS])
    keep_error(errors, lambda: _try_optimizer(config.optimizer))
    keep_error(errors, lambda: check_functions(config.gradient_hooks))
    keep_error(errors, lambda: make_callbacks(config.callbacks))
    keep_error(errors, lambda: check_names(config.modes))
    raise_errors(errors)


def _of_every_length(found: list[list[RequestError]]) -> list[RequestError]:
    """The mistakes that are there for every number of rows, in the words of the first; without a reason that counts its steps."""
    others = [{(each.where, each.what): each for each in errors} for errors in found[1:]]
    kept = []
    for each in found[0]:
        alike = [errors.get((each.where, each.what)) for errors in others]
        if all(alike):
            counted = any(other is not None and other.why != each.why for other in alike)
            kept.append(type(each)(each.what, where=each.where, why="" if counted else each.why, fix=each.fix))
    return kept


def _try_optimizer(options: PartConfig) -> None:
    """Make an optimizer of ours or of torch for one small matrix, whose options are refused as they would be for a model."""
    known = options.type in registry.parts("optimizer") or options.type.startswith("torch.optim.")
    if known:
        rate = with_learning_rate(options, UNKNOWN_RATE) if learning_rate_of(options) == "auto" else options
        build_optimizer(rate, [("weight", nn.Parameter(torch.zeros(2, 2)))])


def keep_error(errors: list[RequestError], part: Callable[[], Any]) -> Any:
    """What `part` gives; its error, if any, is kept."""
    try:
        return part()
    except ManyErrors as error:
        errors += error.errors
    except RequestError as error:
        errors.append(error)
    return None


def raise_errors(errors: list[RequestError]) -> None:
    """Raise the one error, or all of them together; each once."""
    errors = list({str(error): error for error in errors}.values())
    if len(errors) > 1:
        raise ManyErrors(errors)
    if errors:
        raise errors[0]
