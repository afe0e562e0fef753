"""Modes of modules while a run lasts: memory format, compilation, activation checkpointing. Names of parameters never change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.name_patterns import meant_by
from trainwright.engine.mode_options import CompileOptions
from trainwright.engine.system import Batch, change_tensors
from trainwright.nn.compiled import call_of

FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}
"""Number of dimensions → the memory format with the channels innermost."""


def in_channels_last(batch: Batch) -> Batch:
    """The batch with its images (b c h w) and volumes (b c d h w) in channels-last memory format; the same values."""
    return change_tensors(batch, lambda tensor: _innermost(tensor) if tensor.dim() in FORMATS else tensor)


def _innermost(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=FORMATS[tensor.dim()])


@contextmanager
def channels_last(system: nn.Module) -> Iterator[None]:
    """The system's 4-D and 5-D parameters and buffers with the channels innermost; afterwards as they were laid out before."""
    tensors = [tensor for tensor in (*system.parameters(), *system.buffers()) if tensor.dim() in FORMATS]
    before = [(tensor, tensor.is_contiguous()) for tensor in tensors]
    for tensor in tensors:
        tensor.data = _innermost(tensor.data)
    try:
        yield
    finally:
        for tensor, plain in before:
            if plain:
                tensor.data = tensor.data.contiguous()


@contextmanager
def compile_modules(system: nn.Module, options: CompileOptions) -> Iterator[None]:
    """Modules of the system compiled in place; afterwards they run as written again. The first use of each takes seconds to minutes."""
    found = compiled_modules(system, options.target)
    before = [(module, module._compiled_call_impl) for module in found.values()]
    how: dict[str, Any] = {"fullgraph": options.fullgraph, "dynamic": options.dynamic, "backend": options.backend}
    if options.mode != "default":
        how["mode"] = options.mode
    try:
        for module in found.values():
            module._compiled_call_impl = torch.compile(call_of(module), **how)
        yield
    finally:
        for module, call in before:
            module._compiled_call_impl = call


def compiled_modules(system: nn.Module, patterns: Sequence[str]) -> dict[str, nn.Module]:
    """The modules that `compile` means, by name. Raises ConfigError when a pattern names none."""
    return matching(system, patterns, "trainer.modes.compile.target") if patterns else outermost(system)


def outermost(system: nn.Module, path: str = "") -> dict[str, nn.Module]:
    """Below the system, whose own methods are called and not itself, the first modules on each path that have a forward."""
    found: dict[str, nn.Module] = {}
    for name, child in system.named_children():
        place = f"{path}.{name}" if path else name
        found |= {place: child} if has_forward(child) else outermost(child, place)
    return found


def has_forward(module: nn.Module) -> bool:
    """Whether a module can be called; lists and dictionaries of modules cannot."""
    return type(module).forward is not nn.Module.forward


def matching(system: nn.Module, patterns: Sequence[str], where: str) -> dict[str, nn.Module]:
    """The outermost modules whose names match one of the patterns. Raises ConfigError, with the nearest name, when a pattern names none."""
    named = {name: module for name, module in system.named_modules() if name and has_forward(module)}
    found: dict[str, nn.Module] = {}
    for pattern in patterns:
        means = meant_by(pattern, named)
        matched = {name: module for name, module in named.items() if means(name)}
        if not matched:
            raise ConfigError(f"no module is named '{pattern}'", where=where, fix=did_you_mean(pattern, named))
        found |= matched
    return {name: each for name, each in found.items() if not any(name.startswith(f"{other}.") for other in found)}


@contextmanager
def activation_checkpointing(system: nn.Module, which: bool | Sequence[str]) -> Iterator[None]:
    """Modules whose activations are computed again in the backward pass, with the same random numbers (Chen et al. 2016)."""
    found = checkpointed_modules(system, which)
    before = [(module, module.__dict__.get("forward")) for module in found.values()]
    try:
        for module, own in before:
            module.__dict__["forward"] = MethodType(_recompute(own), module)
        yield
    finally:
        for module, own in before:
            if own is None:
                module.__dict__.pop("forward", None)
            else:
                module.__dict__["forward"] = own


def _recompute(own: Callable[..., Any] | None) -> Callable[..., Any]:
    """A forward method that keeps its inputs only; a method of the class, so that a copy of the module calls its own weights."""

    def forward(self: nn.Module, *inputs: Any, **named: Any) -> Any:
        run = MethodType(type(self).forward, self) if own is None else own
        if not torch.is_grad_enabled():
            return run(*inputs, **named)
        from torch.utils.checkpoint import checkpoint

        norms = [each for each in self.modules() if isinstance(each, _NormBase) and each.running_mean is not None]
        if norms:
            named["context_fn"] = lambda: (nullcontext(), keep_statistics(norms))
        return checkpoint(run, *inputs, use_reentrant=False, preserve_rng_state=True, **named)

    return forward


@contextmanager
def keep_statistics(norms: Sequence[nn.Module]) -> Iterator[None]:
    """Running statistics as they are: the second forward pass over the same rows must not count them twice."""
    before = [(norm, dict(norm._buffers)) for norm in norms]
    try:
        for norm, buffers in before:
            norm._buffers.update({name: None if each is None else each.clone() for name, each in buffers.items()})
        yield
    finally:
        for norm, buffers in before:
            norm._buffers.update(buffers)


def checkpointed_modules(system: nn.Module, which: bool | Sequence[str]) -> dict[str, nn.Module]:
    """The modules that `activation_checkpointing` means, by name. Raises ConfigError when there are none."""
    where = "trainer.modes.activation_checkpointing"
    if not isinstance(which, bool):
        return matching(system, which, where)
    found = blocks(system)
    if which and not found:
        names = [name for name, module in system.named_modules() if name and has_forward(module)]
        why = "no module list or sequence of the system holds blocks"
        raise ConfigError("there are no repeated blocks", where=where, why=why, fix=f"name the modules: {', '.join(names[:8])}")
    return found if which else {}


def blocks(system: nn.Module) -> dict[str, nn.Module]:
    """The outermost entries of module lists that can be called; without any, the composed entries of sequences."""

    def entries(kind: type[nn.Module], composed: bool) -> dict[str, nn.Module]:
        named = {
            f"{name}.{key}" if name else key: child
            for name, module in system.named_modules()
            if isinstance(module, kind)
            for key, child in module.named_children()
            if has_forward(child) and (not composed or any(True for _ in child.children()))
        }
        return {name: each for name, each in named.items() if not any(name.startswith(f"{other}.") for other in named)}

    return entries(nn.ModuleList, composed=False) or entries(nn.Sequential, composed=True)
