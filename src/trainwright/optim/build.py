"""From the options of an optimizer or a schedule to the thing itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from trainwright.config import registry
from trainwright.config.errors import ConfigError
from trainwright.config.foreign import context_names, own_options
from trainwright.config.model import PartConfig
from trainwright.optim.base import Optimizer
from trainwright.optim.options import chain
from trainwright.optim.parameter_groups import ParameterGroup, as_groups
from trainwright.optim.torch_optimizer import DECAYS, wrap


def build_optimizer(options: PartConfig, parameters: Iterable[ParameterGroup | tuple[str, nn.Parameter]]) -> Optimizer:
    """Our optimizer of that name, or the torch optimizer at that path, for groups or for named parameters that share its settings.

    A class of your own is given `groups` (or `parameters`: pairs of a name and a parameter), by the names its constructor takes.
    Raises ConfigError when the name is no optimizer.
    """
    groups = as_groups(parameters)
    if options.type in registry.parts("optimizer"):
        made: Optimizer = registry.build("optimizer", options, groups=groups)
        return made
    found = registry.load("optimizer", options.type)
    if isinstance(found, type) and issubclass(found, torch.optim.Optimizer):
        return wrap(found, options.model_dump(exclude={"type"}, exclude_unset=True), groups)
    if isinstance(found, type) and all(hasattr(found, each) for each in ("step", "zero_grad", "tensors", "load")):
        return _own(options, found, groups)
    raise ConfigError(f"'{options.type}' is not an optimizer", where="trainer.optimizer", fix="name a subclass of torch.optim.Optimizer")


def _own(options: PartConfig, found: type, groups: list[ParameterGroup]) -> Optimizer:
    """An optimizer of one's own; what it leaves out of the protocol's groups is filled in."""
    named = [pair for group in groups for pair in zip(group.names, group.params, strict=True)]
    context: dict[str, Any] = {"groups": groups, "parameters": named}
    if own_options(found):
        context = {name: context[name] for name in context_names(found, context)}
    mine: Any = registry.build("optimizer", options, **context)
    for name, value in (("parameter_groups", groups), ("redoes", False), ("schedulers", ()), ("averaged", lambda: None)):
        if not hasattr(mine, name):
            setattr(mine, name, value)
    made: Optimizer = mine
    return made


def base_learning_rate(options: PartConfig) -> float:
    """The learning rate that the options of an optimizer give or have as default; 0 where they have none."""
    return _number(options, "learning_rate", "lr")


def own_weight_decay(options: PartConfig) -> float:
    """The weight decay that the options of an optimizer give or have as default, or those of its `rest`; 0 where there is none."""
    rest = getattr(options, "rest", None)
    if options.type not in registry.parts("optimizer") and not any(hasattr(options, each) for each in DECAYS):
        return _default_decay(options.type)
    return (
        _number(options, "weight_decay") or _number(options, "lambd") or (own_weight_decay(rest) if isinstance(rest, PartConfig) else 0.0)
    )


def _default_decay(path: str) -> float:
    """The weight decay that a class of torch.optim, named by its path, has where none is given."""
    found = registry.load("optimizer", path)
    given = inspect.signature(found).parameters if isinstance(found, type) else {}
    values = [given[each].default for each in DECAYS if each in given]
    return next((float(each) for each in values if isinstance(each, int | float) and each), 0.0)


def _number(options: PartConfig, *names: str) -> float:
    each = (getattr(one, name, None) for one in chain(options) for name in names)
    found = next((value for value in each if value is not None), 0.0)
    return float(found) if isinstance(found, int | float) else 0.0
