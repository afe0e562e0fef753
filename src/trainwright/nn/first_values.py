"""Parameters that nothing has given a value: without memory, allocated and never drawn, or not a number."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from trainwright.config.errors import ConfigError

MARK = "_undrawn_at"
"""Attribute of a parameter whose draw was left out, with the version it had then: whoever fills it makes a later one."""
ABSURD = 1e15
SHOWN = 4


def mark_undrawn(model: nn.Module, places: set[int]) -> None:
    """Mark the parameters whose memory, by address, was to be drawn and was not."""
    for param in model.parameters():
        if not is_lazy(param) and not param.is_meta and param.untyped_storage().data_ptr() in places:
            setattr(param, MARK, param._version)


def refuse_unfilled(model: nn.Module) -> None:
    """Raise ConfigError naming the parameters and buffers that have no value of their own."""
    named = [*model.named_parameters(), *model.named_buffers()]
    there = [(name, each) for name, each in named if not is_lazy(each)]
    meta = [name for name, each in there if each.is_meta]
    undrawn = [name for name, each in there if getattr(each, MARK, None) == each._version and not each.is_meta] if not meta else []
    fix = (
        "name weights that hold them all (`weights:`), or load them first; to train from scratch leave out `init: skip` and `device: meta`"
    )
    if meta:
        raise ConfigError(
            f"nothing fills these weights: {_format(meta)}", where="model", why="they are on the meta device, without memory", fix=fix
        )
    if undrawn:
        why = "their first values were not drawn (init: skip), so they are whatever was in memory"
        raise ConfigError(f"nothing fills these weights: {_format(undrawn)}", where="model", why=why, fix=fix)
    _refuse_numbers(model)


def _refuse_numbers(model: nn.Module) -> None:
    """Raise ConfigError for trained weights that are no numbers, or such as no initialisation gives."""
    wrong: dict[str, list[str]] = {}
    params = [(name, each.detach()) for name, each in model.named_parameters() if not is_lazy(each) and each.numel()]
    floats = [(name, each) for name, each in params if each.is_floating_point()]
    for (name, _), largest in zip(floats, _largest([each for _, each in floats]), strict=True):
        if largest != largest:
            wrong.setdefault("NaN", []).append(name)
        elif largest > ABSURD and model.get_parameter(name).requires_grad:
            wrong.setdefault("infinite" if largest == float("inf") else f"as large as {largest:.2g}", []).append(name)
    for what, names in wrong.items():
        why = "memory that was never written looks so (skip_init, to_empty), and so do weights of a run that failed"
        fix = "initialise them (reset_parameters, init rules), or load other weights"
        raise ConfigError(f"these weights are {what} before the first step: {_format(names)}", where="model", why=why, fix=fix)


@torch.no_grad()
def _largest(tensors: list[torch.Tensor]) -> list[float]:
    """Largest absolute value of each; NaN where there is one. Waits for the device once for each device."""
    norms = [torch.linalg.vector_norm(each.float() if each.element_size() < 4 else each, float("inf")) for each in tensors]
    return [float(each) for each in norms]


def refuse_unseen(model: nn.Module) -> None:
    """Raise ConfigError for lazy layers that no forward pass reached."""
    lazy = [name for name, each in (*model.named_parameters(), *model.named_buffers()) if is_lazy(each)]
    if lazy:
        why = "a lazy layer takes its size from the first batch, and none came there"
        fix = "call the layer in every forward pass, take it out, or give its size"
        raise ConfigError(f"these weights have no size yet: {_format(lazy)}", where="model", why=why, fix=fix)


def _format(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
