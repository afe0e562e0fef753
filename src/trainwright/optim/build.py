"""From the options of an optimizer or a schedule to the thing itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from trainwright.config import registry
from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.optim.base import Optimizer
from trainwright.optim.schedules.base import Extent, Schedule


def build_optimizer(options: PartConfig, parameters: Iterable[tuple[str, nn.Parameter]]) -> Optimizer:
    """Our optimizer of that name, or the torch optimizer at that path. Raises ConfigError when it is neither."""
    if options.type in registry.parts("optimizer"):
        made: Optimizer = registry.build("optimizer", options, parameters=parameters)
        return made
    found = registry.load("optimizer", options.type)
    if isinstance(found, type) and issubclass(found, torch.optim.Optimizer):
        from trainwright.optim.torch_optimizer import wrap

        return wrap(found, options.model_dump(exclude={"type"}, exclude_unset=True), dict(parameters))
    if isinstance(found, type) and all(hasattr(found, each) for each in ("step", "zero_grad", "tensors", "load")):
        mine: Optimizer = registry.build("optimizer", options, parameters=parameters)
        return mine
    raise ConfigError(f"'{options.type}' is not an optimizer", where="trainer.optimizer", fix="name a subclass of torch.optim.Optimizer")


def build_schedule(options: PartConfig, extent: Extent, higher_is_better: bool) -> Schedule:
    """The schedule of that name, or a class at that path made with its own options. Raises ConfigError when it has no `factor(step)`."""
    context: dict[str, Any] = {"extent": extent}
    if options.type not in registry.parts("schedule") or options.type == "plateau":
        context["higher_is_better"] = higher_is_better
    found: Schedule = registry.build("schedule", options, **context)
    missing = [name for name in ("factor", "observe", "state", "load") if not callable(getattr(found, name, None))]
    if missing:
        fix = "derive it from trainwright.optim.schedules.base.PureSchedule and give it shape(step)"
        raise ConfigError(f"'{options.type}' is not a schedule", where="trainer.schedule", why=f"it has no {missing[0]}", fix=fix)
    return found
