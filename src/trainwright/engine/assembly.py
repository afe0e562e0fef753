"""From the settings of a run and its system to the parts of a session, with everything that does not fit found before the first step."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import nn

from trainwright.config.errors import ConfigError, ManyErrors, RequestError
from trainwright.config.model import PartConfig
from trainwright.engine.config import EarlyStopping, TrainerConfig
from trainwright.engine.growth import Growth, build_growth
from trainwright.engine.interval import Interval
from trainwright.engine.manual import check_manual
from trainwright.engine.modes import check as check_modes
from trainwright.engine.monitor import Monitor, resolve
from trainwright.engine.plan import Plan, make_plan
from trainwright.engine.precision import matching
from trainwright.engine.saving.kinds import check_rollback
from trainwright.engine.saving.when import SaveIntervals
from trainwright.engine.scaling import learning_rate_of, scale_learning_rate, with_learning_rate
from trainwright.engine.system import System
from trainwright.optim.averages import moments
from trainwright.optim.base import Optimizer
from trainwright.optim.build import base_learning_rate, build_optimizer, own_weight_decay
from trainwright.optim.combinations import Setting, cannot_combine, cautions
from trainwright.optim.freezing import Freezing
from trainwright.optim.gradient_hooks import GradientHooks
from trainwright.optim.group_table import describe, describe_groups
from trainwright.optim.learning_rates import LearningRates
from trainwright.optim.parameter_groups import ParameterGroup, parameter_groups
from trainwright.optim.schedules.base import Extent, Schedule
from trainwright.optim.schedules.build import build_schedule, listens, metric_of, takes_direction
from trainwright.optim.several import Optimizers
from trainwright.optim.sparse_gradients import refuse_layouts
from trainwright.optim.torch_optimizer import refuse_capturable

log = logging.getLogger("trainwright.engine")

UNKNOWN_RATE = 1e-3
"""Stands for a learning rate that is still to be found, while everything else is checked."""


class Assembly:
    """The parts that the settings of one run make for one system and so many rows."""

    def __init__(
        self, config: TrainerConfig, system: System, rows: int, validated: bool, ready: bool = False, own: Optimizers | None = None
    ) -> None:
        """`ready`: rows are whole batches. `own`: the optimizers that the system made. Raises ConfigError when the lengths cannot be."""
        self.config, self.system, self.validated, self.ready, self.own = config, system, validated, ready, own
        self.batch_statistics = normalises_over_batch(system) and not ready
        self._wrong: list[RequestError] = []
        plain = config.model_copy(update={"batch_size": None, "micro_batch_size": None, "accumulation": None, "max_batch_size": None})
        asked = config if not ready else plain.model_copy(update={"accumulation": config.accumulation})
        made: Plan | None = keep_error(self._wrong, lambda: make_plan(asked, rows, batch_statistics=self.batch_statistics, ready=ready))
        self.plan = made or make_plan(plain, rows, batch_statistics=self.batch_statistics, ready=ready)  # to see what else is wrong
        self.monitor = keep_error(self._wrong, lambda: Monitor(config, system)) or Monitor(
            config.model_copy(update={"monitor": "auto", "mode": "min"}), system
        )
        known = with_learning_rate(config.optimizer, UNKNOWN_RATE) if learning_rate_of(config.optimizer) == "auto" else config.optimizer
        self.optimizer_options: PartConfig = scale_learning_rate(known, config.learning_rate_scaling, self.plan.batch_size)
        self.learning_rate = base_learning_rate(self.optimizer_options)
        self.length: Extent | None = None
        """Another length of the run than the plan's, to see what would have been."""

    @property
    def extent(self) -> Extent:
        """What schedules need to know of the run."""
        return replace(self.length or self.plan.extent, learning_rate=self.learning_rate or None)

    def optimizer(self) -> Optimizer:
        """The optimizer of the settings, or those the system made."""
        return self.own or build_optimizer(self.optimizer_options, self.groups())

    def groups(self) -> list[ParameterGroup]:
        """The parameters by the settings they share."""
        if self.own is not None:
            return self.own.parameter_groups
        decay = own_weight_decay(self.optimizer_options)
        return parameter_groups(self.config.parameters, self.system, self.learning_rate, decay)

    def schedule(self, options: PartConfig | None = None) -> Schedule:
        """The run's schedule, or one of a group's own."""
        options = self.config.schedule if options is None else options
        return build_schedule(options, self.extent, self._higher(options))

    def _higher(self, options: PartConfig) -> bool:
        """Which way the metric that a schedule listens to is better."""
        metric = metric_of(options) if listens(options) else None
        if metric is None:
            return self.monitor.higher
        bare = metric.partition("/")[2] if metric.startswith(("train/", "validation/")) else metric
        names = self.system.metric_names()
        name = bare if names is None else resolve(bare, names, where="trainer.schedule.metric")
        if name == self.monitor.name:
            return self.monitor.higher
        higher = self.system.higher_is_better(name)
        if higher is None and takes_direction(options) and self.system.say_once("direction of a schedule"):
            log.warning("nothing is known of '%s': the schedule takes a smaller one as better; set its mode to max or min", name)
        return bool(higher)

    def rates(self, optimizer: Optimizer) -> LearningRates:
        """What sets the learning rates before every update."""
        return LearningRates(optimizer, self.schedule(), self.schedule)

    def freezing(self) -> Freezing:
        """What is frozen at which step."""
        return Freezing(self.config.parameters.rules, self.system, self.plan.extent)

    def gradient_hooks(self) -> GradientHooks:
        """What is done to gradients by name."""
        return GradientHooks(self.config.gradient_hooks, self.system)

    def growth(self) -> Growth | None:
        """The batch that grows, where that is asked for."""
        if self.config.batch_growth is None:
            return None
        options, schedule = self.config.batch_growth, self.config.schedule
        return build_growth(options, self.monitor, self.plan, schedule, validated=self.validated, batch_statistics=self.batch_statistics)

    def intervals(self) -> tuple[Interval, Interval]:
        """When a row is logged, and when the validation split is evaluated."""
        config = self.config
        return Interval(config.log_every, self.plan, "trainer.log_every"), Interval(
            config.evaluate_every, self.plan, "trainer.evaluate_every"
        )

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

    def check(self, device: Any, *more: Callable[[], Any]) -> list[ParameterGroup]:
        """Try every part, and `more`, and raise all that does not fit at once: ConfigError, or ManyErrors."""
        errors = list(self._wrong)
        groups: list[ParameterGroup] = keep_error(errors, self.groups) or []
        errors += [] if self.own is not None else cannot_combine(self.optimizer_options, self.setting(groups))
        if self.own is not None:
            keep_error(errors, self._own)
            keep_error(errors, lambda: refuse_layouts(self.system, self.optimizer()))
            keep_error(errors, lambda: refuse_capturable(self.optimizer(), device))
        elif groups and not errors:
            keep_error(errors, lambda: self._try_optimizer(build_optimizer(self.optimizer_options, groups), device))
        else:
            keep_error(errors, self.schedule)
        if groups:  # else the same rules would be refused twice
            keep_error(errors, self.freezing)
        parts = (self.gradient_hooks, self.growth, self.intervals, self._saving, self._averages, self._listening, self._ready)
        for part in (*parts, *more):
            keep_error(errors, part)
        keep_error(errors, lambda: check_modes(self.config.modes, self.system, device))
        keep_error(errors, lambda: matching(self.system, self.config.precision.full))
        errors = list({str(error): error for error in errors}.values())
        if len(errors) > 1:
            raise ManyErrors(errors)
        if errors:
            raise errors[0]
        return groups

    def _try_optimizer(self, made: Optimizer, device: Any) -> None:
        """Raise ConfigError for a schedule, gradients or a device that do not go with the optimizer."""
        self.rates(made)
        refuse_layouts(self.system, made)
        refuse_capturable(made, device)

    def _own(self) -> None:
        """Raise ConfigError for settings that a system which makes its optimizers, or its steps, by itself cannot follow."""
        if self.config.parameters != type(self.config.parameters)() and any(not rule.freeze for rule in self.config.parameters.rules):
            why, fix = "configure_optimizers of the system makes the groups", "set rates and decay there"
            raise ConfigError("parameters have no groups here", where="trainer.parameters", why=why, fix=fix)
        if not self.system.automatic_optimization:
            check_manual(self.config, self.plan, self.system.follows_settings)
        conflicts = [each for kind in self._kinds() for each in cannot_combine(kind, self.setting(self.groups()))]
        if conflicts:
            raise ManyErrors(list(conflicts))

    def _kinds(self) -> list[PartConfig]:
        """Optimizers of ours that share their combinations with those of the system, where these ask for more than one gradient a step."""
        members = [] if self.own is None or not self.own.redoes else self.own.members.values()
        return [PartConfig(type=getattr(each, "combined_as", "sam")) for each in members]

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

    def say(self, groups: list[ParameterGroup]) -> None:
        """Tell what deserves a word before the first step: groups of parameters, doubtful combinations."""
        if self.own is not None:
            made = ", ".join(
                f"{name} ({sum(len(each.params) for each in one.parameter_groups)} tensors)" for name, one in self.own.members.items()
            )
            log.info("optimizers of the system: %s", made)
            for kind in self._kinds():
                for caution in cautions(kind, self.setting(groups)):
                    log.warning("%s", caution)
            return
        if len(groups) > 1 or any(group.frozen_until or group.frozen_from for group in groups) or self.config.parameters.rules:
            rows = describe_groups(groups, self.system, self.learning_rate, own_weight_decay(self.optimizer_options))
            log.info("%s", describe(rows))
        for caution in cautions(self.optimizer_options, self.setting(groups)):
            log.warning("%s", caution)


def keep_error(errors: list[RequestError], part: Callable[[], Any]) -> Any:
    """What `part` gives; its error, if any, is kept."""
    try:
        return part()
    except ManyErrors as error:
        errors += error.errors
    except RequestError as error:
        errors.append(error)
    return None


def normalises_over_batch(system: System) -> bool:
    """Whether some module cannot train on a single row."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in system.modules())
