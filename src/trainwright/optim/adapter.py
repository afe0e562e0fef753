"""The one way in for an optimizer, whoever made it: one of ours or of torch by name, a class by path, or an object that a system made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from trainwright.config import registry
from trainwright.config.class_options import context_names, own_options
from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.optim.base import Optimizer
from trainwright.optim.closures import OwnByClosure, needs_closure
from trainwright.optim.lbfgs import OwnLBFGS
from trainwright.optim.parameter_groups import ParameterGroup
from trainwright.optim.torch_optimizer import OwnTorch, refuse_differentiable, wrap

NEEDED = ("step", "zero_grad", "tensors", "load")
"""What an optimizer of one's own must have; all else of the protocol is filled in."""
DEFAULTS: Mapping[str, Callable[[Sequence[ParameterGroup]], Any]] = {
    "parameter_groups": list,
    "parameters": lambda groups: lambda: [param for group in groups for param in group.params],
    "redoes": lambda groups: False,
    "schedulers": lambda groups: (),
    "averaged": lambda groups: lambda: None,
    "layout_fault": lambda groups: lambda name, sparse: "",
    "numbers": lambda groups: dict,
}


def make_optimizer(options: PartConfig, groups: Sequence[ParameterGroup]) -> Optimizer:
    """The optimizer that `options.type` names, made for these groups. Raises ConfigError when the name is no optimizer.

    A class of one's own is given `groups` (or `parameters`: pairs of a name and a parameter), by the names its constructor takes.
    """
    found = registry.load("optimizer", options.type)
    if isinstance(found, type) and issubclass(found, torch.optim.LBFGS):
        why, fix = "it evaluates the gradient several times a step", "use optimizer: lbfgs, which is this class within the step of a run"
        raise ConfigError("torch.optim.LBFGS cannot be made by its path", where="trainer.optimizer", why=why, fix=fix)
    if isinstance(found, type) and issubclass(found, torch.optim.Optimizer):
        return wrap(found, options.model_dump(exclude={"type"}, exclude_unset=True), groups)
    if not isinstance(found, type) or not _is_optimizer(found):
        fix = "name a subclass of torch.optim.Optimizer"
        raise ConfigError(f"'{options.type}' is not an optimizer", where="trainer.optimizer", fix=fix)
    named = [pair for group in groups for pair in zip(group.names, group.params, strict=True)]
    context: dict[str, Any] = {"groups": list(groups), "parameters": named}
    if own_options(found):
        context = {name: context[name] for name in context_names(found, context)}
    return _fill(registry.build("optimizer", options, **context), groups)


def adapt_optimizer(name: str, made: Any, names: Mapping[int, str]) -> Optimizer | None:
    """What a system made as an optimizer; None for what is none. `names`: id of each parameter of the system → its name.

    Raises ConfigError where it holds parameters that are not the system's: no checkpoint would hold them.
    """
    if isinstance(made, torch.optim.Optimizer):
        refuse_differentiable(made, "configure_optimizers")
        kind = OwnLBFGS if isinstance(made, torch.optim.LBFGS) else OwnByClosure if needs_closure(made) else OwnTorch
        return kind(made, [_group(f"{name}.{place}", group["params"], names) for place, group in enumerate(made.param_groups)])
    if not _is_optimizer(made) or not (hasattr(made, "parameters") or hasattr(made, "parameter_groups")):
        return None
    if hasattr(made, "parameter_groups"):
        return _fill(made, [_group(each.label, each.params, names) for each in made.parameter_groups])
    return _fill(made, [_group(name, list(made.parameters()), names)])


def _is_optimizer(made: Any) -> bool:
    return all(hasattr(made, each) for each in NEEDED)


def _fill(made: Any, groups: Sequence[ParameterGroup]) -> Optimizer:
    for name, default in DEFAULTS.items():
        if not hasattr(made, name):
            setattr(made, name, default(groups))
    found: Optimizer = made
    return found


def _group(label: str, params: Sequence[nn.Parameter], names: Mapping[int, str]) -> ParameterGroup:
    strange = next((param for param in params if id(param) not in names), None)
    if strange is not None:
        why = f"one of shape {tuple(strange.shape)} is not, so no checkpoint would hold it"
        fix = "make it a parameter of the system (an attribute, nn.ModuleList, nn.ParameterList), or take it out of the optimizer"
        raise ConfigError("an optimizer holds parameters that are not the system's", where="configure_optimizers", why=why, fix=fix)
    return ParameterGroup(label, [names[id(param)] for param in params], list(params))
