"""`base:mixin1,mixin2`: a class put together from a base and mixins, whose order of methods is (mixin1, mixin2, base)."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
import typing
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.foreign import module_exists
from trainwright.config.trust import ask


@dataclasses.dataclass(frozen=True)
class Composition:
    """A base (a registered name or a path) and the names of its mixins, in the order they are written."""

    base: str
    mixins: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.base}:{','.join(self.mixins)}"


def parse_composition(name: str, registered: Collection[str]) -> Composition | None:
    """A name as a composition; None when it is one class: a registered name, `file.py:Class`, `package.module:Class` or a dotted path."""
    first, _, rest = name.partition(":")
    if ".py:" in rest and _fold_names(first) in {
        _fold_names(each) for each in registered
    }:  # mixins of a registered base named by their files
        return Composition(first, tuple(each.strip() for each in rest.split(",")))
    base, _, tail = name.rpartition(":")
    mixins = tuple(each.strip() for each in tail.split(","))
    if not base:
        return None
    if len(mixins) > 1:
        return Composition(base, mixins)
    if base.endswith(".py"):
        return None
    if _names_a_class(base):
        return Composition(base, mixins)
    known = {_fold_names(each) for each in registered}
    both = _fold_names(base) in known and _fold_names(tail) in known
    either = _fold_names(base) in known or _fold_names(tail) in known
    return Composition(base, mixins) if both or (either and not module_exists(base)) else None


def _names_a_class(base: str) -> bool:
    """`file.py:Class` and `package.module:Class`."""
    place, _, attribute = base.rpartition(":")
    return bool(place) and all(each.isidentifier() for each in attribute.split("."))


def compose_class(composition: Composition, find: Callable[[str], Any], registered: Collection[str]) -> type:
    """The class; raises ConfigError for an unknown mixin, one named twice, a function, and an order that cannot be.

    `find` gives the class of a registered name or a path; mixins may also be classes of the base's own file.
    """
    written = str(composition)
    if composition.base.endswith(".py"):
        raise ConfigError(
            f"'{written}' names a file but no class", fix=f"write {composition.base}:ClassName:{','.join(composition.mixins)}"
        )
    base = find(composition.base)
    mixins = tuple(_mixin(each, base, composition, find, registered) for each in composition.mixins)
    for each, name in ((base, composition.base), *zip(mixins, composition.mixins, strict=True)):
        if not isinstance(each, type):
            raise ConfigError(f"'{name}' of '{written}' is {type(each).__name__}, not a class", fix="only classes can be put together")
    classes = (*mixins, base)
    twice = next((each for number, each in enumerate(classes) if each in classes[:number]), None)
    if twice is not None:
        raise ConfigError(f"'{written}' names {twice.__name__} twice", fix="name each mixin once")
    try:
        return _put_together(classes)
    except TypeError as error:
        why = " ".join(str(error).split())
        if "method resolution order" in why:
            fix = "write a mixin that derives from another one before it, and let no mixin be a base of the base"
        else:
            fix = "give the classes the same metaclass"
        raise ConfigError(f"'{written}' cannot be put together", why=why, fix=fix) from error


def _mixin(name: str, base: Any, composition: Composition, find: Callable[[str], Any], registered: Collection[str]) -> Any:
    if not name:
        raise ConfigError(f"'{composition}' has a mixin without a name", fix="write base:mixin1,mixin2")
    if _fold_names(name) in {_fold_names(each) for each in registered}:
        return find(name)
    beside = vars(sys.modules.get(getattr(base, "__module__", ""), types.SimpleNamespace()))
    if isinstance(beside.get(name), type):
        home = beside[name].__module__
        ask(f"{home}.{beside[name].__qualname__}", f"put {beside[name].__qualname__} of {home} into {composition}")
        return beside[name]
    if "." in name:
        return find(name)
    home = getattr(base, "__module__", "")
    own = [key for key, value in beside.items() if isinstance(value, type) and value.__module__ == home and value is not base]
    own = [each for each in own if each.lower() not in {name.lower() for name in registered}]
    raise ConfigError(f"unknown mixin '{name}' in '{composition}'", fix=did_you_mean(name, [*registered, *own]) or _how_to_register(name))


def _how_to_register(name: str) -> str:
    return f"register it with @tw.register('{name}') in a file that `imports` names"


def _fold_names(name: str) -> str:
    return name.replace("-", "_")


@lru_cache(maxsize=256)
def _put_together(classes: tuple[type, ...]) -> type:
    """One class for the same classes, however often it is asked for and by what name, so that its instances are of one type."""
    name = "_".join(each.__name__ for each in reversed(classes))
    namespace: dict[str, Any] = {"__module__": classes[-1].__module__, "__doc__": inspect.getdoc(classes[-1])}
    config = _merged_config(classes)
    if config is not None:
        namespace["Config"] = config
    return types.new_class(name, classes, exec_body=lambda space: space.update(namespace))


def _merged_config(classes: tuple[type, ...]) -> type | None:
    """The fields of all nested Configs in one; a field of an earlier mixin hides the same field of a later class."""
    nested = [getattr(each, "Config", None) for each in classes]
    found = list(dict.fromkeys(each for each in nested if isinstance(each, type)))
    kept = [each for each in found if not any(other is not each and issubclass(other, each) for other in found)]
    if len(kept) < 2:
        return kept[0] if kept else None
    kinds = {_kind(each) for each in kept}
    if len(kinds) > 1:
        why = ", ".join(f"{each.__qualname__} is {_kind(each)}" for each in kept)
        names = " and ".join(each.__name__ for each in classes if isinstance(getattr(each, "Config", None), type))
        raise ConfigError(f"the Configs of {names} cannot be merged", why=why, fix="write all of them the same way")
    if kinds == {"a dataclass"}:
        return _merged_dataclass(kept)
    return types.new_class("Config", tuple(kept), exec_body=lambda space: space.update({"__module__": kept[-1].__module__}))


def _kind(config: type) -> str:
    if issubclass(config, BaseModel):
        return "a pydantic model"
    return "a dataclass" if dataclasses.is_dataclass(config) else "a plain class"


def _merged_dataclass(configs: list[type]) -> type:
    """Fields by keyword only, so that one without a default may follow one that has it."""
    from trainwright.config.config_classes import hints_of

    fields: dict[str, tuple[str, Any, Any]] = {}
    for config in reversed(configs):
        hints = hints_of(config)
        for each in dataclasses.fields(config):
            default: dict[str, Any] = {"default": each.default} if each.default is not dataclasses.MISSING else {}
            if each.default_factory is not dataclasses.MISSING:
                default = {"default_factory": each.default_factory}
            made: Any = dataclasses.field(init=each.init, metadata=each.metadata, kw_only=True, **default)
            fields[each.name] = (each.name, hints.get(each.name, typing.Any), made)
    frozen = any(getattr(each, "__dataclass_params__").frozen for each in configs)  # noqa: B009 (typing knows no such attribute)
    made_class = dataclasses.make_dataclass("Config", list(fields.values()), bases=tuple(configs), frozen=frozen)
    made_class.__module__ = configs[-1].__module__
    return made_class
