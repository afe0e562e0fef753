"""Models that their author compiled: the wrapper that `torch.compile(module)` makes is taken off, and the module compiled in place."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


def is_wrapper(module: Any) -> bool:
    """Whether a module is what `torch.compile(module)` made; the compiler, seconds to import, is asked only where it was."""
    compiler = sys.modules.get("torch._dynamo.eval_frame")
    return compiler is not None and isinstance(module, compiler.OptimizedModule)


def without_wrappers(model: nn.Module) -> nn.Module:
    """The module itself where `torch.compile` wrapped the model, or one inside it, so that names are those of the plain network.

    What was compiled runs compiled as before, with the backend and options it was given: as by `module.compile(…)`.
    """
    model = _unwrap(model)
    for module in list(model.modules()):
        for name, child in module._modules.items():
            if child is not None and is_wrapper(child):
                module._modules[name] = without_wrappers(child)
    return model


def _unwrap(module: nn.Module) -> nn.Module:
    while is_wrapper(module):
        wrapper: Any = module
        inner: nn.Module = wrapper._orig_mod
        for key, hooks in vars(wrapper).items():
            if key.endswith("_hooks") and isinstance(hooks, dict):
                vars(inner)[key].update(hooks)
        if inner._compiled_call_impl is None:
            inner._compiled_call_impl = wrapper.dynamo_ctx(call_of(inner))
        module = inner
    return module


def call_of(module: nn.Module) -> Callable[..., Any]:
    """What is compiled of a module: its call; of a module of torch's own a function round it, for the compiler passes those files over."""
    call: Callable[..., Any] = module._call_impl
    if not str(getattr(module.forward, "__module__", "")).startswith("torch."):
        return call

    def compiled(*inputs: Any, **named: Any) -> Any:
        return call(*inputs, **named)

    return compiled


def is_compiled(model: nn.Module) -> bool:
    """Whether the model or a module in it is compiled."""
    return any(each._compiled_call_impl is not None or is_wrapper(each) for each in model.modules())


@contextmanager
def run_plainly() -> Iterator[None]:
    """Inside, what was compiled runs as it is written, so that the compiler does not meet modes and hooks that watch it."""
    if "torch._dynamo" not in sys.modules:
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield
