"""Models that their author compiled: the wrapper that `torch.compile(module)` makes is taken off, and the module compiled in place."""

from __future__ import annotations

import sys
from typing import Any

from torch import nn


def is_wrapper(module: Any) -> bool:
    """Whether a module is what `torch.compile(module)` made; the compiler, seconds to import, is asked only where it was."""
    compiler = sys.modules.get("torch._dynamo.eval_frame")
    return compiler is not None and isinstance(module, compiler.OptimizedModule)


def without_wrappers(model: nn.Module) -> nn.Module:
    """The module itself where `torch.compile` wrapped the model, or one inside it, so that names are those of the plain network.

    What was compiled runs compiled as before, with the backend and options it was given: as by `module.compile(…)`.
    """
    model = _unwrapped(model)
    for module in list(model.modules()):
        for name, child in module._modules.items():
            if child is not None and is_wrapper(child):
                module._modules[name] = without_wrappers(child)
    return model


def _unwrapped(module: nn.Module) -> nn.Module:
    while is_wrapper(module):
        wrapper: Any = module
        inner: nn.Module = wrapper._orig_mod
        for key, hooks in vars(wrapper).items():
            if key.endswith("_hooks") and isinstance(hooks, dict):
                vars(inner)[key].update(hooks)
        if inner._compiled_call_impl is None:
            inner._compiled_call_impl = wrapper.dynamo_ctx(inner._call_impl)
        module = inner
    return module
