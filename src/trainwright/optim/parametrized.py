"""Parameters that are no weights themselves: a parametrization computes the weight from them, and decay would take away what it keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import _OrthMaps, _Orthogonal
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from trainwright.config.errors import ConfigError

SIGNS = "its signs, 1 and −1, are kept among what is trained and read as whole numbers: anything between is 0, and so is the weight"


def parametrized_ids(system: nn.Module) -> set[int]:
    """Identities of the parameters that parametrizations, or the older hooks of weight norm and spectral norm, compute weights from."""
    return {id(param) for module in system.modules() for param in _computing(module)}


def sign_keeping(system: nn.Module) -> set[int]:
    """Identities of those that hold the signs of an orthogonal weight made of Householder reflections, which nothing may change."""
    given: Iterator[Any] = (getattr(module, "parametrizations", {}) for module in system.modules() if parametrize.is_parametrized(module))
    lists = [parts for each in given for parts in each.values()]
    return {id(each.original) for each in lists if isinstance(each[0], _Orthogonal) and each[0].orthogonal_map == _OrthMaps.householder}


def _computing(module: nn.Module) -> Iterable[nn.Parameter]:
    if parametrize.is_parametrized(module):
        yield from module.parametrizations.parameters()  # type: ignore[union-attr]
    for hook in module._forward_pre_hooks.values():
        names = [f"{hook.name}_g", f"{hook.name}_v"] if isinstance(hook, WeightNorm) else []
        names = [f"{hook.name}_orig"] if isinstance(hook, SpectralNorm) else names
        yield from (module._parameters[name] for name in names if module._parameters.get(name) is not None)  # type: ignore[misc]


def refuse_decayed_signs(system: nn.Module, decayed: dict[str, nn.Parameter], where: str) -> None:
    """Raise ConfigError where decay is asked for that would make an orthogonal weight zeros."""
    signs = sign_keeping(system)
    name = next((name for name, param in decayed.items() if id(param) in signs), None)
    if name is not None:
        fix = "leave it without weight decay, or use orthogonal with orthogonal_map: matrix_exp"
        raise ConfigError(f"weight decay would make the orthogonal weight of '{name}' zeros", where=where, why=SIGNS, fix=fix)
