"""The layers of a network that is looked into: which there are, which were called, and what they gave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from trainwright.config.errors import RequestError, did_you_mean, nearest
from trainwright.explain.study import GRADIENT_FREE, Study

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
SHOWN = 8


def require_module(study: Study, method: str) -> nn.Module:
    """The network. Raises RequestError for a model that has none, or none with layers."""
    module = study.subject.module
    fix = f"use a method that asks for answers alone: --method {', '.join(GRADIENT_FREE)}"
    if module is None:
        why = study.subject.no_gradient or "it is a function, not a network"
        raise RequestError(f"{method} looks into the layers of a network", where="--method", why=why, fix=fix)
    if is_traced(module):
        why = "it was traced or scripted, which leaves no layers to look into"
        raise RequestError(f"{method} looks into the layers of a network", where="--method", why=why, fix=fix)
    return module


def is_traced(module: nn.Module) -> bool:
    """Whether a network was traced, scripted or exported."""
    kinds = {kind.__name__ for each in module.modules() for kind in type(each).__mro__}
    return bool(kinds & {"ScriptModule", "RecursiveScriptModule", "TopLevelTracedModule", "InterpreterModule"})


def find_layer(module: nn.Module, name: str) -> nn.Module:
    """The layer of a name; raises RequestError with the closest where there is none."""
    known = {each: layer for each, layer in module.named_modules() if each}
    if name in known:
        return known[name]
    last = next((each for each in known if each.rpartition(".")[2] == name), "")
    close = nearest(name, known) or last
    fix = f"did you mean '{close}'?" if close else did_you_mean(name, list(known), SHOWN)
    raise RequestError(f"there is no layer '{name}'", where="--layer", fix=f"{fix}; trainwright inspect RUN shows all")


def list_layers(module: nn.Module, kinds: tuple[type, ...] = ()) -> str:
    """Names of layers, those of some kinds alone where there are such, for a message."""
    found = [
        f"{name} ({type(each).__name__})" for name, each in module.named_modules() if name and (isinstance(each, kinds) if kinds else True)
    ]
    more = f", … ({len(found)} in all)" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more


@contextmanager
def watching(module: nn.Module, called: Callable[[str, Any], Any]) -> Iterator[None]:
    """Tell of every layer's output by its name; what `called` returns takes its place. The hooks are gone afterwards, errors or not."""
    with ExitStack() as stack:
        for name, each in module.named_modules():
            hook = each.register_forward_hook(lambda _, __, output, name=name: called(name, output))
            stack.callback(hook.remove)
        yield


def last_convolution(module: nn.Module, order: list[str]) -> str:
    """The name of the convolution that was called last; empty where none was."""
    layers = dict(module.named_modules())
    return next((name for name in reversed(order) if isinstance(layers[name], CONVOLUTIONS)), "")


def is_map(output: Any) -> bool:
    """Whether what a layer gave has channels and places, (b, c, …)."""
    return isinstance(output, Tensor) and output.dim() >= 3 and output.is_floating_point()
