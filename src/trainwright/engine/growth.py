"""A larger batch when a metric stops improving: decided at evaluations, done at the end of an epoch, and kept in checkpoints."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

from trainwright.config.durations import Duration
from trainwright.config.errors import ConfigError
from trainwright.config.model import ConfigModel, PartConfig
from trainwright.engine.batch import largest_step, steps_in_epoch
from trainwright.engine.growth_options import BatchGrowthOptions
from trainwright.engine.monitor import Monitor, resolve
from trainwright.engine.plan import Plan, dealt_rows, largest_dealt
from trainwright.engine.scaling import scale
from trainwright.optim.schedules.build import build_schedule

log = logging.getLogger("trainwright.engine")

WHERE = "trainer.batch_growth"


class GrowingOptimizer(Protocol):
    """What growth changes of an optimizer."""

    base_learning_rate: float


class Growth:
    """Watches one metric; after `patience` evaluations without improvement the batch grows when the epoch ends."""

    def __init__(self, options: BatchGrowthOptions, metric: str, higher: bool, plan: Plan, batch_statistics: bool = False) -> None:
        """`metric` as the logged row has it (`validation/loss`); `plan` is the one the run begins with."""
        self.options, self.metric, self.sign = options, metric, 1.0 if higher else -1.0
        self.batch_statistics = batch_statistics
        self.batch_size = plan.batch_size
        self.maximum = min(options.maximum or plan.rows, plan.rows)
        self.factor = 1.0
        """What the learning rate is multiplied by since the batch has grown."""
        self.best: float | None = None
        self.waited = self.cooling = self.grown = 0
        self.began: tuple[int, int] | None = None
        """Batches used and epochs over when the batch last grew."""

    def observe(self, row: Mapping[str, float]) -> None:
        """Hear the row of an evaluation; NaN is no improvement."""
        value = self.sign * row.get(self.metric, math.nan)
        if not math.isnan(value) and (self.best is None or value > self.best + self.options.min_delta):
            self.best, self.waited = value, 0
        elif not self.cooling:
            self.waited += 1
        self.cooling = max(self.cooling - 1, 0)

    @property
    def due(self) -> bool:
        """Whether the batch grows when the epoch ends."""
        return self.waited >= self.options.patience and self.grown < self.options.times and self.batch_size < self.maximum

    def at_epoch_end(self, plan: Plan, batches_seen: int) -> Plan | None:
        """The plan from here on when the batch grows now, `batches_seen` batches used; None when it stays."""
        if not self.due:
            return None
        before = self.batch_size
        self.batch_size = min(max(round(before * self.options.rate), before + 1), self.maximum)
        self.factor *= scale(self.batch_size, before, self.options.scaling)
        self.grown, self.waited, self.cooling = self.grown + 1, 0, self.options.cooldown
        self.began = (batches_seen, plan.epoch_of(batches_seen))
        log.info(
            "%s has not improved for %d evaluations: from epoch %d on %d samples per step instead of %d%s",
            self.metric,
            self.options.patience,
            self.began[1] + 1,
            self.batch_size,
            before,
            "" if self.options.scaling == "none" else f", learning rate × {self.factor:.4g} of what it was at first",
        )
        return self.replan(plan)

    def replan(self, plan: Plan) -> Plan:
        """`plan` with the batch grown where it did; the plan itself while it has not."""
        if self.began is None:
            return plan
        return begin_anew(plan, self.batch_size, *self.began, batch_statistics=self.batch_statistics)

    def apply(self, optimizer: GrowingOptimizer, base_learning_rate: float) -> None:
        """Give the optimizer its learning rate; `base_learning_rate` is the one the run began with."""
        optimizer.base_learning_rate = base_learning_rate * self.factor

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "batch_size": self.batch_size,
            "factor": self.factor,
            "best": self.best,
            "waited": self.waited,
            "cooling": self.cooling,
            "grown": self.grown,
            "began": None if self.began is None else list(self.began),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take the state back."""
        self.batch_size, self.factor, self.best = state["batch_size"], state["factor"], state["best"]
        self.waited, self.cooling, self.grown = state["waited"], state["cooling"], state["grown"]
        self.began = None if state["began"] is None else (state["began"][0], state["began"][1])


def begin_anew(plan: Plan, batch_size: int, batches_seen: int, epoch: int, *, batch_statistics: bool = False) -> Plan:
    """`plan` continued with another batch from this count of batches on, where `epoch` epochs are over; it is as many epochs or steps long.

    A step in one piece stays in one piece; pieces smaller than the batch keep their size.
    """
    steps = steps_in_epoch(plan.rows, batch_size, batch_statistics or plan.batch_statistics)
    end = plan.max_steps
    if end is not None and plan.limit == "max_epochs":
        epochs = plan.first_epoch + (end - plan.first_tick) // plan.steps_per_epoch
        end = batches_seen + (epochs - epoch) * steps
    largest, before = largest_step(plan.rows, batch_size, steps), plan.batch_size
    dealt = 0
    if plan.dealt:  # to several processes: in one round, or in pieces of the size that was asked for
        norms = batch_statistics or plan.batch_statistics
        largest, before = dealt_rows(batch_size, plan.ranks, norms), plan.dealt
        dealt = largest = largest if plan.dealt >= largest_dealt(plan) else min(plan.dealt, largest)
    micro = largest if plan.micro_batch_size >= before else min(plan.micro_batch_size, largest)
    return replace(
        plan,
        batch_size=batch_size,
        micro_batch_size=micro,
        dealt=dealt,
        steps_per_epoch=steps,
        max_steps=end,
        first_tick=batches_seen,
        first_epoch=epoch,
    )


def build_growth(
    options: BatchGrowthOptions, monitor: Monitor, plan: Plan, schedule: PartConfig, *, validated: bool, batch_statistics: bool = False
) -> Growth:
    """Growth by these options. Raises ConfigError with nothing to watch, no room to grow, or a schedule that needs fixed epochs."""
    check_growth(options, plan, schedule, monitor.higher, validated=validated)
    name = monitor.name if options.metric == "monitor" else _find_name(options.metric.removeprefix("validation/"), monitor)
    return Growth(options, f"{options.split}/{name}", _higher(name, monitor), plan, batch_statistics)


def check_growth(options: BatchGrowthOptions, plan: Plan, schedule: PartConfig, higher: bool = False, *, validated: bool = True) -> None:
    """Raise ConfigError with nothing to watch, no room to grow, or a schedule that needs fixed epochs."""
    if options.split == "validation" and not validated:
        fix = "give validation rows, or trainer.batch_growth.split: train"
        raise ConfigError("there is nothing to watch", where=WHERE, why="there are no validation rows", fix=fix)
    if options.maximum is not None and options.maximum <= plan.batch_size:
        why = f"the run begins with {plan.batch_size} samples per step"
        raise ConfigError(f"a batch of at most {options.maximum} cannot grow", where=f"{WHERE}.maximum", why=why, fix="raise it")
    check_schedule(schedule, plan, higher)


def _find_name(name: str, monitor: Monitor) -> str:
    names = monitor.system.metric_names()
    try:
        return name if names is None else resolve(name, names)
    except ConfigError as error:
        raise ConfigError(error.what, where=f"{WHERE}.metric", why=error.why, fix=error.fix) from None


def _higher(name: str, monitor: Monitor) -> bool:
    if name == monitor.name:
        return monitor.higher
    found = monitor.system.higher_is_better(name)
    if found is None:
        fix = "watch the monitored metric, whose trainer.mode can be set"
        raise ConfigError(f"is a higher '{name}' better or worse?", where=f"{WHERE}.metric", why=f"nothing is known of '{name}'", fix=fix)
    return found


def check_schedule(schedule: PartConfig, plan: Plan, higher: bool) -> None:
    """Raises ConfigError for a schedule that counts on the epochs, or on the length, that a growing batch changes."""
    why = "the batch grows while it runs, and an epoch has fewer steps then"
    epochs = next((name for name, value in _settings(schedule) if _counts_epochs(name, value)), None)
    if epochs is not None:
        fix = "count in steps, or leave batch_growth out"
        raise ConfigError(f"'{schedule.type}' counts in epochs", where=f"trainer.schedule.{epochs}", why=why, fix=fix)
    if plan.limit != "max_epochs":
        return
    try:
        build_schedule(schedule, replace(plan.extent, steps=None, learning_rate=math.inf), higher)
    except ConfigError as error:
        if "length of the run" not in error.what:
            return  # another mistake, which is told where the schedule is built for the run
        fix = "give the run's length as trainer.max_steps, or leave batch_growth out"
        raise ConfigError(f"'{schedule.type}' needs the number of steps of the run", where="trainer.schedule", why=why, fix=fix) from None


def _settings(options: ConfigModel, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every option by its dotted name, those of parts inside and in lists too."""
    for name in type(options).model_fields:
        value = getattr(options, name)
        yield prefix + name, value
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, ConfigModel):
                yield from _settings(each, f"{prefix}{name}.")


def _counts_epochs(name: str, value: Any) -> bool:
    if name.rpartition(".")[2] == "per":
        return bool(value == "epoch")
    values = value if isinstance(value, list) else [value]
    return any(isinstance(each, Duration) and each.kind == "epochs" and each.value for each in values)
