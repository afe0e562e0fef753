"""Putting matched weights into a module: in place where it has memory, assigned where it has none yet, and all or nothing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.config.errors import RunError


def transfer(module: nn.Module, values: Mapping[str, Tensor], own: Mapping[str, Tensor], device: str | torch.device) -> list[str]:
    """Give the module's tensors these values; those on the meta device become real on `device`. Returns names still without memory.

    Tied tensors stay tied. Raises RunError when the module's own way of loading fails; it is then as it was.
    """
    empty = {name for name in values if own[name].is_meta}
    kept = {name: own[name].detach().clone() for name in values.keys() - empty} if _own_way(module) else None
    try:
        with torch.no_grad():
            module.load_state_dict(_state(module, {name: values[name] for name in values if name not in empty}), strict=False)
    except Exception as error:  # hooks of the module may raise anything
        _put_back(own, kept)
        raise RunError("the module refused these weights; it is as it was", why=" ".join(str(error).split())[:300]) from error
    if empty:
        _materialise(module, {name: values[name] for name in empty}, own, device)
    torch.clear_autocast_cache()  # within an autocast region the old weights would be used on
    held = [*module.named_parameters(), *module.named_buffers()]
    return [name for name, tensor in held if tensor.is_meta]


def _state(module: nn.Module, values: Mapping[str, Tensor]) -> OrderedDict[str, Tensor]:
    """The values with the versions of the module's layers, so that none of them takes the file for one of an older torch."""
    state: Any = OrderedDict(values)
    state._metadata = getattr(module.state_dict(), "_metadata", None)
    return state


def _own_way(module: nn.Module) -> bool:
    """Whether a part of the module has a way of loading of its own, which may fail half-way."""
    return any(
        each._load_state_dict_pre_hooks
        or each._load_state_dict_post_hooks
        or not type(each)._load_from_state_dict.__module__.startswith("torch.")
        or not type(each).load_state_dict.__module__.startswith("torch.")
        for each in module.modules()
    )


def _put_back(own: Mapping[str, Tensor], kept: Mapping[str, Tensor] | None) -> None:
    with torch.no_grad():
        for name, value in (kept or {}).items():
            own[name].copy_(value)


def _materialise(module: nn.Module, values: Mapping[str, Tensor], own: Mapping[str, Tensor], device: str | torch.device) -> None:
    """Assign tensors in place of those on the meta device, one for each group that is tied."""
    made: dict[str, Tensor] = {}
    by_tensor: dict[int, str] = {}
    for name, value in values.items():
        if id(own[name]) not in by_tensor:
            by_tensor[id(own[name])] = name
            made[name] = value.to(device=device, dtype=own[name].dtype, copy=True)
    module.load_state_dict(_state(module, made), strict=False, assign=True)
    for name, tensor in own.items():
        first = by_tensor.get(id(tensor))
        if first is not None and first != name:
            _tie(module, name, first)


def _tie(module: nn.Module, name: str, first: str) -> None:
    path, _, last = name.rpartition(".")
    other, _, there = first.rpartition(".")
    part, source = module.get_submodule(path), module.get_submodule(other)
    held: Any = part._parameters if last in part._parameters else part._buffers
    held[last] = source._parameters.get(there, source._buffers.get(there))
