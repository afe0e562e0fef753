"""What a place in the configuration holds (a section, a part, entries, items or a value), read from the models' annotations."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from trainwright.config.choice import PartOf
from trainwright.config.errors import ConfigError
from trainwright.config.model import ConfigModel
from trainwright.config.places import KeyPath
from trainwright.config.registry import options_class

UNTYPED = "auto"
"""The type of a column that is given options and no type."""


@dataclass(frozen=True)
class Section:
    """A mapping whose keys are the fields of `model`."""

    model: type[ConfigModel]


@dataclass(frozen=True)
class PartHere:
    """A part of `kind`, written as a name or as a mapping with `type`; `default` is the name taken when none is given."""

    kind: str
    default: str = ""


@dataclass(frozen=True)
class Entries:
    """A mapping with keys of the user's own."""

    of: Structure


@dataclass(frozen=True)
class Items:
    """A list."""

    of: Structure


@dataclass(frozen=True)
class Leaf:
    """A plain value."""


@dataclass(frozen=True)
class ShortForm:
    """An option of the system at the top of a configuration; what it holds is that of the first system, or by its `type` of another."""

    model: type[ConfigModel]
    name: str

    def settle(self, typed: bool) -> Structure:
        """What it holds where the value is (not) written as a name or with a `type`."""
        systems = [system for system, names in self.model.short.items() if self.name in names]
        options = options_class("system", systems[-1 if typed else 0])
        return field_structure(options.model_fields[options.other_words.get(self.name, self.name)])


Structure = Section | PartHere | Entries | Items | Leaf | ShortForm


def structure_of(annotation: Any, metadata: Iterable[Any] = (), default: Any = None) -> Structure:
    """What a field with this annotation holds; of a union, the member with the most structure."""
    for mark in metadata:
        if isinstance(mark, PartOf):
            return PartHere(mark.kind, default if isinstance(default, str) else mark.default)
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return structure_of(inside[0], inside[1:], default)
    if origin in (Union, types.UnionType):
        found = [structure_of(each, (), default) for each in inside]
        return next((each for each in found if not isinstance(each, Leaf)), Leaf())
    if origin in (list, tuple, set, frozenset):
        return Items(structure_of(inside[0])) if inside else Leaf()
    if origin is dict:
        return Entries(structure_of(inside[1]))
    if isinstance(annotation, type) and issubclass(annotation, ConfigModel):
        return Section(annotation)
    return Leaf()


def field_structure(field: FieldInfo) -> Structure:
    """What a field of a section holds."""
    return structure_of(field.annotation, field.metadata, field.default)


def fields_of(here: Structure, value: Any = None) -> dict[str, FieldInfo] | None:
    """The fields that a section or a part may have; None where keys are free or the part cannot be had."""
    if isinstance(here, Section):
        return {**short_fields(here.model, value), **here.model.model_fields}
    if isinstance(here, PartHere):
        default = here.default or (UNTYPED if here.kind == "feature" else "")
        name = value.get("type", default) if isinstance(value, Mapping) else value if isinstance(value, str) else default
        try:
            return dict(options_class(here.kind, name).model_fields)
        except ConfigError:
            return None
    return None


def short_fields(model: type[ConfigModel], value: Any = None) -> dict[str, FieldInfo]:
    """The options that may stand at the top in place of `system:`, for the system that `value` names or the default one."""
    if not model.short:
        return {}
    system = value.get("system") if isinstance(value, Mapping) else None
    name = system.get("type") if isinstance(system, Mapping) else system
    name = name if name in model.short else next(iter(model.short))
    options = options_class("system", name)
    return {each: options.model_fields[options.other_words.get(each, each)] for each in model.short[name]}


def instead_of(here: Structure, key: str, value: Any = None) -> str:
    """What to do instead of an option that the part here does not have, where its kind says so; else empty."""
    if not isinstance(here, PartHere) or not isinstance(value, Mapping):
        return ""
    try:
        return options_class(here.kind, value.get("type", here.default)).of_others.get(key, "")
    except ConfigError:
        return ""


def below(here: Structure, key: str | int, value: Any = None) -> Structure:
    """What lies under `key`; `value` is the plain value here, which names the part where there is one."""
    if isinstance(here, Entries | Items):
        return here.of
    if isinstance(here, ShortForm):
        return below(here.settle(isinstance(value, Mapping) and "type" in value), key, value)
    if isinstance(here, Section) and here.model.short:
        return _below_top(here.model, str(key), value)
    fields = fields_of(here, value) or {}
    return field_structure(fields[str(key)]) if str(key) in fields else Leaf()


def _below_top(model: type[ConfigModel], key: str, value: Any) -> Structure:
    found = model.section_at(key, value)
    if found is not None:
        return Section(found)
    if key in model.model_fields:
        return field_structure(model.model_fields[key])
    return ShortForm(model, key) if any(key in names for names in model.short.values()) else Leaf()


def canonical(here: Structure, key: str) -> str:
    """`key` with `-` read as `_` where keys are options rather than the user's own names."""
    folded = key.replace("-", "_")
    known = isinstance(here, PartHere) or (isinstance(here, Section) and folded in _names(here.model))
    return folded if known else key


def _names(model: type[ConfigModel]) -> set[str]:
    return {*model.model_fields, *(name for names in model.short.values() for name in names)}


def default_at(model: type[ConfigModel], path: KeyPath) -> Any:
    """The default of the option at `path`; raises KeyError when there is no such option or it has none."""
    here: Any = model
    for key in path:
        here = _default_under(here, key)
    if isinstance(here, type):
        raise KeyError(path)
    return here


def _default_under(here: Any, key: str | int) -> Any:
    """One key further into a model class, or into the default found so far."""
    if isinstance(here, type) and issubclass(here, ConfigModel):
        field = {**here.model_fields, **short_fields(here)}[str(key)]
        default = field.get_default(call_default_factory=True)
        inner = field_structure(field)
        if default is None and isinstance(inner, PartHere) and inner.default:
            return options_class(inner.kind, inner.default)
        if default is not PydanticUndefined:
            return default
        if isinstance(inner, Section):
            return inner.model
    if isinstance(here, ConfigModel) and str(key) in type(here).model_fields:
        return getattr(here, str(key))
    if isinstance(here, Mapping) and key in here:
        return here[key]
    if isinstance(here, list) and isinstance(key, int) and key < len(here):
        return here[key]
    raise KeyError(key)
