"""Every place of the module tree, and what can be seen there without running anything: parameters, buffers, hooks, parametrizations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from trainwright.files.inspection.layers import Buffer
from trainwright.nn.module_names import class_names

HOOKS = (
    ("forward hook", "_forward_hooks"),
    ("forward pre-hook", "_forward_pre_hooks"),
    ("backward hook", "_backward_hooks"),
    ("backward pre-hook", "_backward_pre_hooks"),
)


@dataclass(frozen=True)
class ModulePlace:
    """A module at one name; `first` is its first name when it has several and this is a later one."""

    path: str
    module: nn.Module
    depth: int
    first: str | None = None


def places(model: nn.Module) -> list[ModulePlace]:
    """All names of all modules, in the order of registration; shared modules are gone into once, parametrizations not at all."""
    known: dict[int, str] = {}
    return list(_walk(model, "", 0, known))


def _walk(module: nn.Module, path: str, depth: int, known: dict[int, str]) -> Iterator[ModulePlace]:
    if id(module) in known:
        yield ModulePlace(path, module, depth, known[id(module)])
        return
    known[id(module)] = path
    yield ModulePlace(path, module, depth)
    for name, child in inner(module):
        yield from _walk(child, f"{path}.{name}" if path else name, depth + 1, known)


def inner(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """The modules in a module; what makes its parametrised weights is a part of itself."""
    return [
        (name, child)
        for name, child in module._modules.items()
        if child is not None and not (name == "parametrizations" and parametrize.is_parametrized(module))
    ]


def is_leaf(module: nn.Module) -> bool:
    """Whether a module has no modules in it."""
    return not inner(module)


def kind_of(module: nn.Module) -> str:
    """The class, of a parametrised or scripted module the one it had."""
    if isinstance(module, torch.jit.ScriptModule):
        return str(module.original_name)
    return next(iter(class_names(module)), type(module).__name__)


def lazy_names(model: nn.Module) -> set[str]:
    """Names of the modules whose sizes are not known before the first forward pass."""
    return {
        path
        for path, module in model.named_modules()
        if any(is_lazy(each) for each in (*module._parameters.values(), *module._buffers.values()))
    }


def buffers_of(model: nn.Module) -> list[Buffer]:
    """Every buffer once, by its first name."""
    found, known = [], set()
    for path, module in model.named_modules():
        for name, held in module._buffers.items():
            if held is None or id(held) in known:
                continue
            known.add(id(held))
            size = 0 if is_lazy(held) else held.numel() * held.element_size()
            shape = [] if is_lazy(held) else list(held.shape)
            persistent = name not in module._non_persistent_buffers_set
            found.append(Buffer(f"{path}.{name}" if path else name, shape, str(held.dtype).removeprefix("torch."), persistent, size))
    return found


def remarks(module: nn.Module) -> list[str]:
    """Its hooks and parametrizations in words: `forward hook (record)`, `weight: _WeightNorm`."""
    found = []
    for words, attribute in HOOKS:
        names = [_name(each) for each in getattr(module, attribute, {}).values()]
        names = [each for each in names if each != "_infer_parameters"]  # how a lazy layer finds its sizes
        if names:
            found.append(f"{words}{'s' if len(names) > 1 else ''} ({', '.join(names)})")
    if parametrize.is_parametrized(module):
        made: Any = module.parametrizations
        found += [f"{name} parametrised by {', '.join(type(each).__name__.strip('_') for each in chain)}" for name, chain in made.items()]
    return found


def _name(hook: Any) -> str:
    return str(getattr(hook, "__name__", type(hook).__name__))
