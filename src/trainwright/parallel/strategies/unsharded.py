"""Modules as they were before torch sharded them, to be put back: classes, hooks, attributes, parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.parallel.strategies.mirror import HOOKS, dict_like


class Unsharded:
    """Remembers a module tree; `put_back` makes it so again, with the parameters that a person may know by their identity.

    torch can shard modules and not undo it: it changes their class, adds hooks and attributes, and replaces parameters.
    """

    def __init__(self, system: nn.Module) -> None:
        self._system = system
        self._modules = [(module, type(module), _hooks(module), set(vars(module))) for module in system.modules()]
        self._parameters = [(module, name, each) for module in system.modules() for name, each in module._parameters.items()]
        self._added: list[set[str]] = []
        self.names = dict(system.named_parameters())

    def free(self) -> None:
        """Give the memory of the whole parameters back, once their parts are placed; learn what was added to the modules."""
        self._added = [set(vars(module)) - known for module, _, _, known in self._modules]
        sharded = {id(module._parameters[name]) for module, name, _ in self._parameters}
        for _, _, parameter in self._parameters:
            if parameter is not None and id(parameter) not in sharded:
                parameter.data = torch.empty(0, dtype=parameter.dtype, device=parameter.device)
                parameter.grad = None

    def put_back(self, values: Mapping[str, Tensor]) -> None:
        """The modules as they were, their parameters with these values by name."""
        for (module, kind, hooks, _), added in zip(self._modules, self._added, strict=True):
            module.__class__ = kind
            for name in added:
                vars(module).pop(name, None)
            for name, before in hooks.items():
                _take_out(vars(module)[name], before)
            forget(module)
        for module, name, parameter in self._parameters:
            module._parameters[name] = parameter
        for name, value in values.items():
            self.names[name].data = value


def _hooks(module: nn.Module) -> dict[str, Any]:
    return {name: dict_like(each) for name, each in vars(module).items() if name.endswith(HOOKS) and isinstance(each, dict)}


def _take_out(hooks: dict[Any, Any], before: Mapping[Any, Any]) -> None:
    """Take torch's out that were added; what a person has added or taken out meanwhile stays so."""
    for key in [key for key, hook in hooks.items() if key not in before and _is_torchs(hook)]:
        del hooks[key]


def _is_torchs(hook: Any) -> bool:
    return str(getattr(getattr(hook, "hook", hook), "__module__", "")).startswith("torch.distributed")


def forget(module: nn.Module) -> None:
    """Let torch shard the module again another time: it keeps a list of those it has."""
    from torch.distributed import _composable_state

    _composable_state._module_state_mapping.pop(module, None)
