"""From the settings of a run and its system to the parts of a session, with everything that does not fit found before the first step."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from torch import nn

from trainwright.config.errors import ConfigError, ManyErrors
from trainwright.config.model import PartConfig
from trainwright.engine.config import TrainerConfig
from trainwright.engine.growth import Growth, build_growth
from trainwright.engine.manual import check_manual
from trainwright.engine.modes import check as check_modes
from trainwright.engine.monitor import Monitor, resolve
from trainwright.engine.precision import matching
from trainwright.engine.sample_metrics import check_sample_metrics
from trainwright.engine.sampling import ensure_samples, say_never
from trainwright.engine.settings import UNKNOWN_RATE as UNKNOWN_RATE
from trainwright.engine.settings import Settings, keep_error, raise_errors
from trainwright.engine.strategy_checks import refuse_combinations
from trainwright.engine.system import System
from trainwright.optim.base import Optimizer
from trainwright.optim.build import build_optimizer, own_weight_decay
from trainwright.optim.combinations import cannot_combine, cautions
from trainwright.optim.dealt import Dealing, deal_optimizer
from trainwright.optim.freezing import Freezing
from trainwright.optim.gradient_hooks import GradientHooks
from trainwright.optim.group_table import describe, describe_groups
from trainwright.optim.learning_rates import LearningRates
from trainwright.optim.parameter_groups import ParameterGroup, parameter_groups
from trainwright.optim.schedules.build import listens, metric_of, takes_direction
from trainwright.optim.several import Optimizers
from trainwright.optim.sparse_gradients import refuse_layouts
from trainwright.optim.torch_optimizer import refuse_capturable
from trainwright.parallel.strategies.base import Strategy
from trainwright.parallel.world import World

log = logging.getLogger("trainwright.engine")


class Assembly(Settings):
    """The parts that the settings of one run make for one system and so many rows."""

    def __init__(
        self,
        config: TrainerConfig,
        system: System,
        rows: int,
        validated: bool,
        ready: bool = False,
        own: Optimizers | None = None,
        strategy: Strategy | None = None,
    ) -> None:
        """`ready`: rows are whole batches. `own`: the optimizers that the system made. `strategy`: how processes share each step.

        Raises ConfigError when the lengths cannot be.
        """
        self.strategy = Strategy(World()) if strategy is None else strategy
        super().__init__(config, rows, validated, ready, normalises_over_batch(system) and not ready, self.strategy.data_size)
        self.system, self.own = system, own
        self.monitor = keep_error(self._wrong, lambda: Monitor(config, system)) or Monitor(
            config.model_copy(update={"monitor": "auto", "mode": "min"}), system
        )

    @property
    def trained(self) -> nn.Module:
        """The module whose parameters are optimized."""
        return self.strategy.trained(self.system)

    def optimizer(self) -> Optimizer:
        """The optimizer of the settings, or those the system made."""
        if self.strategy.deals_optimizer:
            build = partial(build_optimizer, self.optimizer_options)
            return deal_optimizer(self.own, self.groups(), cast(Dealing, self.strategy), build)
        return self.own or build_optimizer(self.optimizer_options, self.groups())

    def groups(self) -> list[ParameterGroup]:
        """The parameters by the settings they share."""
        if self.own is not None:
            return self.own.parameter_groups
        decay = own_weight_decay(self.optimizer_options)
        return parameter_groups(self.config.parameters, self.trained, self.learning_rate, decay)

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
        return GradientHooks(self.config.gradient_hooks, self.trained)

    def growth(self) -> Growth | None:
        """The batch that grows, where that is asked for."""
        if self.config.batch_growth is None:
            return None
        options, schedule = self.config.batch_growth, self.config.schedule
        return build_growth(options, self.monitor, self.plan, schedule, validated=self.validated, batch_statistics=self.batch_statistics)

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
        errors += refuse_combinations(self.config, self.system, self.own, device, self.strategy.world.size)
        lengths = (self.intervals, self._saving, self._averages, self._listening, self._ready)
        for part in (self.gradient_hooks, self.growth, self._sampling, *lengths, *more):
            keep_error(errors, part)
        keep_error(errors, lambda: check_modes(self.config.modes, self.system, device))
        keep_error(errors, lambda: matching(self.system, self.config.precision.full))
        raise_errors(errors)
        return groups

    def _try_optimizer(self, made: Optimizer, device: Any) -> None:
        """Raise ConfigError for a schedule, gradients or a device that do not go with the optimizer."""
        self.rates(made)
        refuse_layouts(self.system, made)
        refuse_capturable(made, device)

    def _sampling(self) -> None:
        """Raise ConfigError where samples are asked of a system that makes none."""
        if self.config.sampling is not None:
            ensure_samples(self.system)
        if self.config.sample_metrics is not None:
            ensure_samples(self.system, where="trainer.sample_metrics")
            check_sample_metrics(self.config.sample_metrics, self.monitor.name, self.plan)

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

    def say(self, groups: list[ParameterGroup]) -> None:
        """Tell what deserves a word before the first step: groups of parameters, doubtful combinations, samples that never come."""
        if self.config.sampling is not None:
            say_never(self.config.sampling, self.plan)
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
            rows = describe_groups(groups, self.trained, self.learning_rate, own_weight_decay(self.optimizer_options))
            log.info("%s", describe(rows))
        for caution in cautions(self.optimizer_options, self.setting(groups)):
            log.warning("%s", caution)


def normalises_over_batch(system: System) -> bool:
    """Whether some module cannot train on a single row."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in system.modules())
