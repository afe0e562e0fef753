"""A module tree beside the real one, of the same classes and names, whose parameters are the plain parts that this process holds."""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

HOOKS = "hooks"
"""How the attributes end in which a module keeps its hooks."""


def twin_of(module: nn.Module) -> nn.Module:
    """A copy of the modules, not of what they hold: buffers are shared, parameters are the same until `mirror` gives others.

    Make it before the module is sharded, so that what torch hangs into the modules then is not in it.
    """
    made: dict[int, nn.Module] = {}
    found = _twin(module, made)
    for twin in made.values():
        for name, each in vars(twin).items():
            if isinstance(each, MethodType) and id(each.__self__) in made:  # a method of the module, kept as an attribute
                twin.__dict__[name] = MethodType(each.__func__, made[id(each.__self__)])
    return found


def _twin(module: nn.Module, made: dict[int, nn.Module]) -> nn.Module:
    if id(module) in made:
        return made[id(module)]
    twin: nn.Module = object.__new__(type(module))
    made[id(module)] = twin
    held = {name: dict_like(each) if name.endswith(HOOKS) else each for name, each in vars(module).items()}
    held["_parameters"] = dict_like(module._parameters)
    held["_modules"] = dict_like(module._modules)
    for name, child in module._modules.items():
        held["_modules"][name] = None if child is None else _twin(child, made)
    twin.__dict__.update(held)
    return twin


def dict_like(given: Any) -> Any:
    """A copy of a dictionary, of its class; anything else as it is."""
    return given.copy() if isinstance(given, dict) else given


@torch.no_grad()
def mirror(real: nn.Module, twin: nn.Module) -> dict[str, tuple[nn.Parameter, nn.Parameter]]:
    """Give the twin plain parameters that share the memory of the real one's local parts; name → (real, plain), tied ones once."""
    plain: dict[int, nn.Parameter] = {}
    found: dict[str, tuple[nn.Parameter, nn.Parameter]] = {}
    modules = dict(twin.named_modules(remove_duplicate=False))
    for path, module in real.named_modules(remove_duplicate=False):
        for name, parameter in module._parameters.items():
            if parameter is None:
                continue
            before = modules[path]._parameters[name]
            if id(parameter) not in plain:
                plain[id(parameter)] = _plain(parameter, before)
                found[f"{path}.{name}" if path else name] = parameter, plain[id(parameter)]
            modules[path]._parameters[name] = plain[id(parameter)]
    return found


def _plain(parameter: nn.Parameter, before: nn.Parameter | None) -> nn.Parameter:
    """A plain parameter in the memory of the local part, with what a person has written on the one before."""
    local = local_part(parameter)
    if local is parameter:
        return parameter
    made = nn.Parameter(local, requires_grad=parameter.requires_grad)
    made.__dict__.update({} if before is None else vars(before))
    return made


def local_part(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor: its part of a DTensor, without a graph; a plain tensor is whole."""
    part = getattr(tensor, "_local_tensor", None)
    return tensor if part is None else part
