"""Parameters and modules of a system by patterns of their names and by classes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from torch import nn

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.name_patterns import REGULAR, matcher, meant_by, with_ancestors


class SystemNames:
    """The names of a system's parameters and modules, with every name of a parameter that several modules share."""

    def __init__(self, system: nn.Module) -> None:
        self.params: dict[str, nn.Parameter] = dict(system.named_parameters())
        self.modules: dict[str, nn.Module] = {path: module for path, module in system.named_modules() if path}
        first = {id(param): name for name, param in self.params.items()}
        self._aliases: dict[str, list[str]] = {name: [] for name in self.params}
        for name, param in system.named_parameters(remove_duplicate=False):
            self._aliases[first[id(param)]].append(name)
        self._every = [*self.modules, *(alias for aliases in self._aliases.values() for alias in aliases)]
        self._classes = {path: _class_names(module) for path, module in self.modules.items()}

    def parameters(self, patterns: Sequence[str], types: Sequence[str] = (), where: str = "") -> set[str]:
        """Names of the parameters that some pattern and some type name (without types: some pattern, and the other way round).

        Raises ConfigError, with the nearest name there is, for a pattern or type that names no parameter.
        """
        meant = {pattern: meant_by(pattern, self._every) for pattern in patterns}
        found = {
            name
            for name, aliases in self._aliases.items()
            if any(_is_meant(alias, meant.values()) and self._match_type(alias, types) for alias in aliases)
        }
        for pattern, means in meant.items():
            if not any(means(alias) for aliases in self._aliases.values() for alias in aliases):
                raise self._nothing(pattern, "no parameter or module with parameters is called '{}'", [*self.modules, *self.params], where)
        for kind in types:
            if not any(self._match_type(alias, [kind]) for aliases in self._aliases.values() for alias in aliases):
                classes = sorted({type(module).__name__ for module in self.modules.values() if next(module.parameters(), None) is not None})
                raise self._nothing(kind, "no module with parameters is a {}", classes, where)
        if not found:
            raise ConfigError("match and types together name no parameter", where=where, fix="drop one of them")
        return found

    def find_modules(self, patterns: Sequence[str], types: Sequence[str] = ()) -> set[str]:
        """Paths of the modules that the patterns and types name, themselves or by a module they are in; may be none."""
        meant = [meant_by(pattern, self._every) for pattern in patterns]
        return {path for path in self.modules if _is_meant(path, meant) and self._match_type(path, types, of_module=True)}

    def _match_type(self, path: str, types: Sequence[str], of_module: bool = False) -> bool:
        if not types:
            return True
        around = with_ancestors(path) if of_module else with_ancestors(path)[:-1]
        return any(matcher(kind)(name) for each in around for name in self._classes.get(each, ()) for kind in types)

    def _nothing(self, pattern: str, what: str, names: Iterable[str], where: str) -> ConfigError:
        wanted = pattern.removeprefix(REGULAR).strip("*.\\") or pattern
        return ConfigError(what.format(pattern), where=where, fix=did_you_mean(wanted, names))


def _is_meant(path: str, meant: Collection[Callable[[str], bool]]) -> bool:
    return not meant or any(means(path) for means in meant)


def _class_names(module: nn.Module) -> list[str]:
    """The class of a module and those it is derived from, up to nn.Module."""
    return [each.__name__ for each in type(module).__mro__ if issubclass(each, nn.Module) and each is not nn.Module]
