"""Options from a class's nested `Config`, and from validated options the Config again.

A Config is Python: enums, paths, sets, dataclasses in dataclasses. A configuration is YAML: text, numbers, lists, mappings. So each
field is translated twice, and both ways stand side by side below:

    field of the Config          option, checked by pydantic          field of the Config's instance
    mode: Mode = Mode.FAST   →   Literal["FAST", "SLOW"] = "FAST"   →   Mode.FAST
    place: Path = Path("a")  →   str = "a"                          →   Path("a")
    inner: Inner             →   a section with Inner's fields      →   Inner(...)
    made: Callable = sum     →   Any, unset and not written         →   left to the Config's own default

`options_from_config` goes to the middle column, `config_object` from there to the right.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Callable, Mapping
from copy import copy
from enum import Enum
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError, create_model, model_validator
from pydantic.fields import FieldInfo

from trainwright.config.attributes import with_attributes
from trainwright.config.config_classes import PLAIN, Default, config_class, defaults_of, hints_of, remember
from trainwright.config.errors import FOREIGN, ConfigError
from trainwright.config.model import ConfigModel, PartConfig, as_refusal


class MadeOptions:
    """Of options whose class no module holds: they are pickled with what makes the class, `(function, arguments)`."""

    __made_by__: ClassVar[tuple[Any, ...]]

    def __reduce__(self) -> Any:
        return _empty_options, self.__made_by__, self.__getstate__()


def _empty_options(make: Callable[..., type[PartConfig]], *arguments: Any) -> PartConfig:
    options = make(*arguments)
    return options.__new__(options)


@remember
def options_from_config(made_from: Any, path: str) -> type[PartConfig]:
    """Options with the fields of the nested `Config`, and `type`, which is `path` by default."""
    config = config_class(made_from)
    if config is None:
        raise ConfigError(f"'{path}' has no nested Config", fix="give it one: a ConfigModel, a dataclass, or a class with annotations")
    section = section_of(config)
    kept = {name: (field.annotation, field) for name, field in kept_fields(made_from, config).items()}
    bases = (section,) if issubclass(section, PartConfig) else (section, PartConfig)
    summary = (inspect.getdoc(made_from) or f"Options of {path}.").partition("\n\n")[0]
    make: Any = create_model
    made: type[PartConfig] = make(
        f"{made_from.__name__}Options",
        __base__=(MadeOptions, *bases),
        __doc__=summary,
        __module__=config.__module__,
        type=(str, path),
        **kept,
    )
    made.__made_by__ = (options_from_config, made_from, path)
    for each in made.model_fields.values():  # copies of the Config's own, and not built yet
        each.validate_default = each.validate_default or _has_structure(each.annotation)
    return made


@remember
def kept_fields(made_from: type, config: type) -> dict[str, FieldInfo]:
    """Options of the Configs of the bases of a class that its own does not derive from: a system's `loss`, a module's `weights`."""
    found: dict[str, FieldInfo] = {}
    for base in made_from.__mro__:
        around = config_class(base) if "Config" in vars(base) else None
        if around is not None and around is not config and not issubclass(config, around):
            found = {**{name: copy(field) for name, field in section_of(around).model_fields.items()}, **found}
    own = section_of(config).model_fields
    return {name: field for name, field in found.items() if name not in own}


@remember
def section_of(config: type) -> type[ConfigModel]:
    """A Config class as a section of a configuration; a ConfigModel is one already."""
    return _section_within(config, ())


def config_object(made_from: Any, options: ConfigModel) -> Any:
    """The validated options as an instance of the class's own `Config`; raises ConfigError with what the Config itself refuses."""
    config = config_class(made_from)
    if config is None or type(options) is config:
        return options
    if not isinstance(options, config):
        made = _make_instance(config, options)
    elif not issubclass(config, ConfigModel):
        return options
    else:
        # The options are a subclass of the Config, made at run time. Of a ConfigModel, code of one's own is given the class it wrote
        # itself, which can be pickled; values are taken over as they are, for they were checked.
        names = config.model_fields
        given = {name: getattr(options, name) for name in names}
        made = config.model_construct(_fields_set=options.model_fields_set & set(names), **given, **(options.model_extra or {}))
    for name in kept_fields(made_from, config):
        object.__setattr__(made, name, getattr(options, name))
    for name, value in list(getattr(made, "__dict__", {}).items()):
        object.__setattr__(made, name, with_attributes(value))
    return made


def with_default_parts(config: Any, options: type[PartConfig]) -> Any:
    """A ConfigModel that Python code made, with options in place of the names that stand as defaults of its parts; others as they are."""
    if not isinstance(config, ConfigModel):
        return config
    left = {name for name, field in options.model_fields.items() if field.validate_default} - config.model_fields_set
    if not any(isinstance(getattr(config, name, None), (*PLAIN[:4], list, dict)) for name in left):
        return config
    checked = options.model_validate({name: getattr(config, name) for name in config.model_fields_set})
    return config.model_copy(update={name: getattr(checked, name) for name in left if hasattr(config, name)})


# From a Config to options: classes.


def _section_within(config: type, around: tuple[type, ...]) -> type[ConfigModel]:
    """The section of a Config that lies in those `around`; one that contains itself would have no end, and is a mapping there."""
    if issubclass(config, ConfigModel):
        return config
    hints = hints_of(config)
    fields = {name: _field(hints.get(name, Any), default, (*around, config)) for name, default in defaults_of(config).items()}
    # What `__post_init__` refuses is told at once with the place in the file, so the instance is made on trial.
    checks = {"is_accepted": model_validator(mode="after")(_acceptance(config))} if hasattr(config, "__post_init__") else {}
    summary = (config.__doc__ or "").partition("\n\n")[0]
    make: Any = create_model
    made: type[ConfigModel] = make(
        config.__name__, __base__=ConfigModel, __doc__=summary, __module__=config.__module__, __validators__=checks, **fields
    )
    return made


def _acceptance(config: type) -> Callable[[ConfigModel], ConfigModel]:
    def is_accepted(self: ConfigModel) -> ConfigModel:
        try:
            _make_instance(config, self)
        except ConfigError as error:
            raise as_refusal(error) from error
        return self

    return is_accepted


def _field(annotation: Any, default: Default, around: tuple[type, ...]) -> tuple[Any, Any]:
    """A pydantic field: the annotation as it can be written in YAML, and the default as it would be written there."""
    allowed = _written_annotation(annotation, around)
    if default.required:
        return allowed, Field(description=default.meaning)
    value = _written_value(default.make())
    if not _is_plain(value):
        # The default is an object that YAML has no word for. The option stays unset, is not dumped, and the Config fills it in itself.
        unset = allowed if allowed is Any else allowed | None
        return Annotated[unset, Field(exclude_if=_is_none)], Field(default=None, description=default.meaning)
    if value is None and allowed is not Any:
        allowed = allowed | None
    structured = _has_structure(allowed)  # a mapping must become the section or part that it describes
    if structured or isinstance(value, list | dict):
        # Made anew each time: a default that is changed in one configuration must not change in the next.
        make = lambda: _written_value(default.make())  # noqa: E731
        return allowed, Field(default_factory=make, validate_default=structured or None, description=default.meaning)
    return allowed, Field(default=value, description=default.meaning)


def _is_none(value: Any) -> bool:
    return value is None


# From a Config to options: annotations and values.


def _written_annotation(annotation: Any, around: tuple[type, ...]) -> Any:
    """An annotation as it can be written in YAML; Any when nothing of it can."""
    origin, inside = get_origin(annotation) or annotation, get_args(annotation)
    if annotation in PLAIN or annotation is None or origin is Literal:
        return annotation
    if origin is Annotated:
        kept = _written_annotation(inside[0], around)
        return Annotated[(kept, *inside[1:])] if kept is not Any else Any
    if origin in (Union, types.UnionType):
        members = [each for each in _written_annotations(inside, around) if each is not Any]
        return reduce(or_, members) if any(each is not type(None) for each in members) else Any
    if origin is tuple:
        return Annotated[_of(tuple, *_written_annotations(inside, around)), BeforeValidator(_as_tuple)]
    if origin in (list, set, frozenset):
        return Annotated[_of(list, *_written_annotations(inside, around)), BeforeValidator(_as_list)]
    if origin in (dict, Mapping):
        return _of(dict, *inside[:1], *_written_annotations(inside[1:], around))
    return _written_class(annotation, around) if isinstance(annotation, type) else Any


def _written_annotations(inside: tuple[Any, ...], around: tuple[type, ...]) -> list[Any]:
    return [each if each is Ellipsis else _written_annotation(each, around) for each in inside]


def _written_class(annotation: type, around: tuple[type, ...]) -> Any:
    if issubclass(annotation, Enum):
        return Literal[tuple(annotation.__members__)]
    if issubclass(annotation, Path):
        return str
    if _spells_itself(annotation):
        return annotation
    if _is_config(annotation):
        return dict if annotation in around else _section_within(annotation, around)
    return Any


def _of(container: Any, *inside: Any) -> Any:
    """`list`, or `list[int]` where it is said of what."""
    return container[inside] if inside else container


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _written_value(value: Any) -> Any:
    """A default as it would be written in YAML: dataclasses and models as mappings, paths as text, enum members by name, sets as lists."""
    if _spells_itself(type(value)):
        return TypeAdapter(type(value)).dump_python(value)
    if _is_config(type(value)):
        return {name: _written_value(getattr(value, name)) for name in _field_names(type(value))}
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _written_value(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return tuple(_written_value(each) for each in value)
    return [_written_value(each) for each in value] if isinstance(value, list | set | frozenset) else value


def _field_names(config: Any) -> list[str]:
    return list(config.model_fields) if issubclass(config, BaseModel) else [each.name for each in dataclasses.fields(config) if each.init]


def _is_plain(value: Any) -> bool:
    """Whether YAML has a word for a value and all in it."""
    if isinstance(value, list | tuple):
        return all(_is_plain(each) for each in value)
    if isinstance(value, dict):
        return all(_is_plain(each) for each in value.values())
    return isinstance(value, PLAIN)


def _has_structure(annotation: Any) -> bool:
    """Whether a section, a part or a value with a spelling of its own lies anywhere in an annotation."""
    if isinstance(annotation, type) and not get_args(annotation):
        return issubclass(annotation, ConfigModel) or _spells_itself(annotation)
    return any(_has_structure(each) for each in get_args(annotation) if each is not Ellipsis and not isinstance(each, str))


def _spells_itself(kind: type) -> bool:
    """Whether a class says itself how it is written and checked, as `tw.Scheduled` does."""
    return hasattr(kind, "__get_pydantic_core_schema__") and not issubclass(kind, BaseModel)


def _is_config(kind: type) -> bool:
    """Whether a class has fields that are options: a pydantic model or a dataclass. A plain class is a Config only where it is named so."""
    return issubclass(kind, BaseModel) or dataclasses.is_dataclass(kind)


# From options back to the Config.


def _make_instance(config: type, options: ConfigModel) -> Any:
    """An instance of a Config class from validated options, nested ones included."""
    hints = hints_of(config)
    given = {name: _restore(hints.get(name, Any), getattr(options, name)) for name in defaults_of(config) if _is_given(options, name)}
    # A plain class without a constructor takes nothing: its fields are set on an instance.
    takes_fields = _is_config(config) or inspect.getattr_static(config, "__init__") is not object.__init__
    try:
        if takes_fields:
            return config(**given)
        made = config()
        for name, value in given.items():
            setattr(made, name, value)
    except FOREIGN as error:
        raise ConfigError(f"{config.__qualname__} refuses its values", why=f"{type(error).__name__}: {error}") from error
    return made


def _is_given(options: ConfigModel, name: str) -> bool:
    """Defaults that cannot be written in YAML are left to the Config."""
    return name in options.model_fields_set or type(options).model_fields[name].exclude_if is None


def _restore(annotation: Any, value: Any) -> Any:
    """A validated value as the annotation of a Config has it: sections as dataclasses, text as paths and enum members."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _restore(inside[0], value)
    if value is None or isinstance(value, PartConfig):
        return value
    if origin in (Union, types.UnionType):  # the first member that the value is not already of
        return next((found for each in inside if (found := _restore(each, value)) is not value), value)
    if isinstance(annotation, type):
        return _restore_class(annotation, value)
    if origin in (list, set, frozenset) and isinstance(value, list):
        return origin(_restore(inside[0], each) for each in value) if inside else value
    if origin is tuple and isinstance(value, tuple):
        kinds = (inside[0],) * len(value) if inside[-1:] == (Ellipsis,) else inside
        return tuple(_restore(kind, each) for kind, each in zip(kinds, value, strict=True))
    if origin in (dict, Mapping) and isinstance(value, dict):
        return {key: _restore(inside[1], each) for key, each in value.items()}
    return value


def _restore_class(annotation: type, value: Any) -> Any:
    if issubclass(annotation, Enum) and isinstance(value, str) and value in annotation.__members__:
        return annotation[value]
    if issubclass(annotation, Path) and isinstance(value, str):
        return annotation(value)
    if annotation in (set, frozenset) and isinstance(value, list):
        return annotation(value)
    if not _is_config(annotation) or isinstance(value, annotation):
        return value
    if isinstance(value, dict):  # a Config inside itself, which no section can hold, is checked only here
        value = _check_values(annotation, value)
    return _make_instance(annotation, value) if isinstance(value, ConfigModel) else value


def _check_values(config: type, values: dict[str, Any]) -> ConfigModel:
    try:
        return section_of(config).model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        fix = f"its options: {', '.join(section_of(config).model_fields)}"
        raise ConfigError(f"{config.__qualname__} refuses its values", why=why, fix=fix) from error
