"""Modules and weights of a model by patterns: a module's class or dotted name, a weight's full name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.utils import parametrize

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.name_patterns import REGULAR, matcher, meant_by, other_spelling, with_ancestors

ROOT = "."
"""The pattern that names the whole model; globs name what is inside it."""


@dataclass(frozen=True)
class Weight:
    """A parameter where its module holds it, or what stands in its place once it is parametrised."""

    module: nn.Module
    name: str
    """Its name in its module."""
    aliases: tuple[str, ...]
    """All its full names, the first one first; several where modules are shared or parameters tied."""

    @property
    def path(self) -> str:
        """The first full name, for example `encoder.0.weight`."""
        return self.aliases[0]

    @property
    def value(self) -> Tensor:
        """The tensor; of a parametrised weight what its parametrization gives."""
        return getattr(self.module, self.name)

    @property
    def parametrised(self) -> bool:
        """Whether a parametrization gives its value."""
        return parametrize.is_parametrized(self.module, self.name)


def weights_of(model: nn.Module) -> list[Weight]:
    """Every weight once, in the order of registration; the tensors inside parametrizations are none of their own."""
    inside = {id(part) for module in model.modules() if parametrize.is_parametrized(module) for part in _parametrizations(module).modules()}
    aliases: dict[object, list[str]] = {}
    first: dict[object, tuple[nn.Module, str]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        if id(module) in inside:
            continue
        own: dict[str, object] = {name: id(param) for name, param in module._parameters.items() if param is not None}
        if parametrize.is_parametrized(module):
            own |= {name: (id(module), name) for name in _parametrizations(module)}
        for name, key in own.items():
            aliases.setdefault(key, []).append(f"{path}.{name}" if path else name)
            first.setdefault(key, (module, name))
    return [Weight(*first[key], tuple(names)) for key, names in aliases.items()]


def _parametrizations(module: nn.Module) -> nn.ModuleDict:
    found = module.parametrizations
    if not isinstance(found, nn.ModuleDict):  # what is_parametrized has just said
        raise TypeError(f"parametrizations of {type(module).__name__} are {type(found).__name__}")
    return found


def find_weights(weights: Sequence[Weight], patterns: Sequence[str], where: str) -> list[Weight]:
    """The weights that a pattern names, by full name or by a module they are in; without patterns all.

    Raises ConfigError, with the nearest name, for a pattern that names none.
    """
    aliases = [alias for weight in weights for alias in weight.aliases]
    meant = [meant_by(pattern, aliases) for pattern in patterns]
    for pattern, means in zip(patterns, meant, strict=True):
        if not any(map(means, aliases)):
            modules = dict.fromkeys(each for alias in aliases for each in with_ancestors(alias)[:-1])
            raise _nothing("no weight is called", pattern, [*modules, *aliases], where)
    return [weight for weight in weights if not patterns or any(means(alias) for alias in weight.aliases for means in meant)]


def find_modules(model: nn.Module, patterns: Sequence[str], where: str) -> dict[str, nn.Module]:
    """Modules whose class (or one it is derived from) or whose dotted name a pattern fits, by name; `.` is the model, named ``.

    Without patterns all of them. Raises ConfigError, with the nearest name or class, for a pattern that names none.
    """
    modules = dict(model.named_modules())
    if not patterns:
        return modules
    found: set[str] = set()
    for pattern in patterns:
        called = {path for path, module in modules.items() if _is_called(path, module, pattern)}
        called = called or {path for path in modules if matcher(pattern)(other_spelling(path))}
        if not called:
            classes = {type(module).__name__ for module in modules.values()}
            raise _nothing("no module is called, or is a", pattern, [*filter(None, modules), *sorted(classes)], where)
        found |= called
    return {path: module for path, module in modules.items() if path in found}


def _is_called(path: str, module: nn.Module, pattern: str) -> bool:
    if pattern == ROOT:
        return not path
    matches = matcher(pattern)
    if pattern.strip("*") and any(matches(each) for each in class_names(module)):
        return True
    return bool(path and matches(path))


def class_names(module: nn.Module) -> list[str]:
    """The class of a module and those it is derived from, up to nn.Module; of a parametrised one the class it had."""
    made = type(module).__mro__[1:] if parametrize.is_parametrized(module) else type(module).__mro__
    return [each.__name__ for each in made if issubclass(each, nn.Module) and each is not nn.Module]


def _nothing(what: str, pattern: str, names: Iterable[str], where: str) -> ConfigError:
    wanted = pattern.removeprefix(REGULAR).strip("*.\\") or pattern
    return ConfigError(f"{what} '{pattern}'", where=where, fix=did_you_mean(wanted, names))
