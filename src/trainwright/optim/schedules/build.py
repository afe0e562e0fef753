"""From the options of a schedule to the schedule itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trainwright.config import registry
from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.optim.schedules.base import Extent, Schedule
from trainwright.optim.schedules.options import ChainedOptions, PlateauOptions, ProductOptions


def build_schedule(options: PartConfig, extent: Extent, higher_is_better: bool = False) -> Schedule:
    """The schedule of that name, or the torch scheduler or class with `factor(step)` at that path. Raises ConfigError for anything else.

    `higher_is_better` is said of the metric that `metric_of(options)` names, or of the monitored one.
    """
    context: dict[str, Any] = {"extent": extent}
    if options.type in registry.parts("schedule"):
        if isinstance(options, PlateauOptions | ChainedOptions | ProductOptions):
            context["higher_is_better"] = higher_is_better
        made: Schedule = registry.build("schedule", options, **context)
        return made
    from trainwright.optim.schedules.torch_scheduler import TorchSchedule, is_torch_scheduler

    found = registry.load("schedule", options.type)
    if is_torch_scheduler(found):
        return TorchSchedule(found, options, extent)
    return _own(options, {**context, "higher_is_better": higher_is_better}, extent.where)


def _own(options: PartConfig, context: dict[str, Any], where: str) -> Schedule:
    mine: Schedule = registry.build("schedule", options, **context)
    missing = [name for name in ("factor", "observe", "state", "load") if not callable(getattr(mine, name, None))]
    if missing:
        fix = "derive it from trainwright.optim.schedules.base.PureSchedule and give it shape(step)"
        raise ConfigError(f"'{options.type}' is not a schedule", where=where, why=f"it has no {missing[0]}", fix=fix)
    return mine


def listens(options: PartConfig) -> bool:
    """Whether the schedule, or a part of it, needs evaluations to listen to."""
    return next(_plateaus(options), None) is not None


def metric_of(options: PartConfig, where: str = "trainer.schedule") -> str | None:
    """The metric that the schedule listens to, None for the monitored one; raises ConfigError when parts of it name several."""
    named = list(dict.fromkeys(each.metric for each in _plateaus(options)))
    if len(named) > 1:
        why = " and ".join("the monitored one" if each is None else f"'{each}'" for each in named)
        raise ConfigError("the parts of a schedule listen to one metric", where=where, why=f"asked for: {why}", fix="name the same in all")
    return named[0] if named else None


def takes_direction(options: PartConfig) -> bool:
    """Whether a part of the schedule does not say itself which way its metric is better."""
    return any(each.mode == "auto" for each in _plateaus(options))


def _plateaus(options: PartConfig) -> Iterator[PlateauOptions]:
    if isinstance(options, PlateauOptions):
        yield options
    inside = [each.schedule for each in options.parts] if isinstance(options, ChainedOptions) else []
    inside += options.parts if isinstance(options, ProductOptions) else []
    for each in inside:
        yield from _plateaus(each)
