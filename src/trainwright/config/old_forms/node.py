"""A configuration with attribute access that can be frozen and merged, for code written for YACS."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

from trainwright.config.dump import dump_values
from trainwright.config.errors import ConfigError, ManyErrors, RequestError, did_you_mean
from trainwright.config.loading import load_values
from trainwright.config.old_forms.objects import nested_keys, plain
from trainwright.config.places import Place, spell_key
from trainwright.config.reading import kind_of, literal


class ConfigNode(dict[str, Any]):
    """A mapping whose keys are attributes too; `freeze` forbids changes, `merge_from_…` allows only keys that are there.

    Raises ConfigError for a change of a frozen node, an unknown key (with the nearest one), and a value of another kind.
    """

    def __init__(self, values: Mapping[str, Any] | None = None, new_allowed: bool = False) -> None:
        super().__init__({key: self._wrap(each) for key, each in (values or {}).items()})
        object.__setattr__(self, "_frozen", False)
        object.__setattr__(self, "_new_allowed", new_allowed)

    @classmethod
    def _wrap(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and not isinstance(value, ConfigNode):
            return cls(value)
        return [cls._wrap(each) for each in value] if isinstance(value, list) else value

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(f"no option '{name}': {did_you_mean(name, self)}")

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        del self[name]

    def __setitem__(self, key: str, value: Any) -> None:
        self._refuse_frozen(key)
        super().__setitem__(key, self._wrap(value))

    def __delitem__(self, key: str) -> None:
        self._refuse_frozen(key)
        super().__delitem__(key)

    def update(self, *given: Any, **named: Any) -> None:
        """As of a dict; a frozen node refuses."""
        for key, value in dict(*given, **named).items():
            self[key] = value

    def pop(self, key: str, *default: Any) -> Any:
        """As of a dict; a frozen node refuses."""
        self._refuse_frozen(key)
        return super().pop(key, *default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """As of a dict; a frozen node refuses a key that is not there."""
        if key not in self:
            self[key] = default
        return self[key]

    def _refuse_frozen(self, key: str) -> None:
        if self.__dict__.get("_frozen"):
            raise ConfigError(f"'{key}' cannot be changed: the configuration is frozen", fix="call .defrost() first, or change a .clone()")

    def freeze(self) -> None:
        """Forbid changes, here and below."""
        self._mark(True)

    def defrost(self) -> None:
        """Allow changes again, here and below."""
        self._mark(False)

    def is_frozen(self) -> bool:
        """Whether changes are forbidden."""
        return bool(self.__dict__["_frozen"])

    def _mark(self, frozen: bool) -> None:
        object.__setattr__(self, "_frozen", frozen)
        for each in _nodes_in(self.values()):
            each._mark(frozen)

    @contextmanager
    def unfrozen(self) -> Iterator[Self]:
        """Changes allowed for the length of a `with` block."""
        before = self.is_frozen()
        self.defrost()
        try:
            yield self
        finally:
            self._mark(before)

    def set_new_allowed(self, allowed: bool) -> None:
        """Whether merging may add keys, here and below."""
        object.__setattr__(self, "_new_allowed", allowed)
        for each in _nodes_in(self.values()):
            each.set_new_allowed(allowed)

    def clone(self) -> Self:
        """A copy that shares nothing."""
        return copy.deepcopy(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        made = type(self)({key: copy.deepcopy(each, memo) for key, each in self.items()}, self.__dict__["_new_allowed"])
        made._mark(self.is_frozen())
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.to_dict(), self.__dict__["_new_allowed"], self.is_frozen())

    def merge_from_file(self, path: str | os.PathLike[str]) -> None:
        """Take over the values of a YAML, JSON, `.ini` or `.txt` file."""
        self._merge(load_values(path), str(path))

    def merge_from_other_cfg(self, other: Any) -> None:
        """Take over the values of another node, mapping, Namespace or dataclass."""
        self._merge(plain(other), "the other configuration")

    def merge_from_list(self, words: Sequence[Any]) -> None:
        """Take over `["SOLVER.LR", 0.1, "MODEL.DEPTH", "3"]`, or `["SOLVER.LR=0.1"]`; text is read as YAML reads it."""
        pairs = [each.partition("=")[::2] for each in words] if all(isinstance(each, str) and "=" in each for each in words) else None
        if pairs is None and len(words) % 2:
            raise ConfigError(f"'{words[-1]}' has no value", where="merge_from_list", fix="give keys and values in turn, or key=value")
        for key, value in pairs if pairs is not None else zip(words[::2], words[1::2], strict=True):
            text = isinstance(value, str)
            read = literal(value, Place("merge_from_list")).plain() if text else value
            nested: Any = read
            for each in reversed(nested_keys(str(key))):
                nested = {each: nested}
            self._merge(nested, "merge_from_list")

    def _merge(self, values: Mapping[str, Any], where: str) -> None:
        if self.is_frozen():
            self._refuse_frozen(next(iter(values), ""))
        problems: list[RequestError] = []
        _merge_values(self, values, (), where, problems)
        if problems:
            raise problems[0] if len(problems) == 1 else ManyErrors(problems)

    def to_dict(self) -> dict[str, Any]:
        """Plain nested mappings."""
        return {key: _unwrap(each) for key, each in self.items()}

    def dump(self) -> str:
        """The configuration as YAML."""
        return dump_values(plain(self))


def _again(kind: type[ConfigNode], values: dict[str, Any], new_allowed: bool, frozen: bool) -> ConfigNode:
    made = kind(values, new_allowed)
    made._mark(frozen)
    return made


def _nodes_in(values: Any) -> Iterator[ConfigNode]:
    for each in values:
        if isinstance(each, ConfigNode):
            yield each
        elif isinstance(each, list):
            yield from _nodes_in(each)


def _unwrap(value: Any) -> Any:
    if isinstance(value, ConfigNode):
        return value.to_dict()
    return [_unwrap(each) for each in value] if isinstance(value, list) else value


def _merge_values(node: ConfigNode, values: Mapping[str, Any], path: tuple[str, ...], where: str, problems: list[RequestError]) -> None:
    for key, value in values.items():
        here = (*path, key)
        if key not in node and not node.__dict__["_new_allowed"]:
            problems.append(ConfigError(f"unknown option '{spell_key(here)}'", where=where, fix=did_you_mean(key, node)))
        elif isinstance(node.get(key), ConfigNode) and isinstance(value, Mapping):
            _merge_values(node[key], value, here, where, problems)
        else:
            try:
                node[key] = _fit_value(node.get(key), value, here, where)
            except RequestError as error:
                problems.append(error)


def _fit_value(old: Any, new: Any, path: tuple[str, ...], where: str) -> Any:
    """The new value where it is of the old one's kind; whole numbers serve for numbers, lists and tuples for each other."""
    if old is None or new is None or type(old) is type(new) or (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return new
    if isinstance(old, float) and isinstance(new, int) and not isinstance(new, bool):
        return float(new)
    if isinstance(old, list | tuple) and isinstance(new, list | tuple):
        return type(old)(new)
    what = f"{spell_key(path)}: {kind_of(new)} does not fit {kind_of(old)}"
    raise ConfigError(what, where=where, fix="give a value of the same kind")
