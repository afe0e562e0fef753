"""From the options of an optimizer or a schedule to the thing itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

from torch import nn

from trainwright.config import registry
from trainwright.config.model import PartConfig
from trainwright.optim.adapter import make_optimizer
from trainwright.optim.base import Optimizer
from trainwright.optim.options import chain
from trainwright.optim.parameter_groups import ParameterGroup, as_groups
from trainwright.optim.torch_optimizer import DECAYS


def build_optimizer(options: PartConfig, parameters: Iterable[ParameterGroup | tuple[str, nn.Parameter]]) -> Optimizer:
    """The optimizer of that name or path, for groups or for named parameters that share its settings.

    Raises ConfigError when the name is no optimizer.
    """
    return make_optimizer(options, as_groups(parameters))


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
