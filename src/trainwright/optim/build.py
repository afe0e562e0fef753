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
        mine: Any = found(**options.model_dump(exclude={"type"}, exclude_unset=True), parameters=parameters)
        return mine  # type: ignore[no-any-return]
    raise ConfigError(f"'{options.type}' is not an optimizer", where="trainer.optimizer", fix="name a subclass of torch.optim.Optimizer")


def build_schedule(options: PartConfig, extent: Extent, higher_is_better: bool) -> Schedule:
    """The schedule of that name, or a class at that path made with its own options. Raises ConfigError when it has no `factor(step)`."""
    if options.type == "plateau":
        made: Schedule = registry.build("schedule", options, extent=extent, higher_is_better=higher_is_better)
        return made
    if options.type in registry.parts("schedule"):
        made = registry.build("schedule", options, extent=extent)
        return made
    found: Any = registry.build("schedule", options, extent=extent)
    if not callable(getattr(found, "factor", None)):
        raise ConfigError(f"'{options.type}' is not a schedule", where="trainer.schedule", fix="give it factor(step) → multiplier of the learning rate")
    return found  # type: ignore[no-any-return]
