"""Options read from a class's nested `Config` (a ConfigModel, a dataclass or a plain class with annotations), and made into it again."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from functools import lru_cache, reduce
from operator import or_
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError, create_model, model_validator

from trainwright.config.errors import FOREIGN, ConfigError
from trainwright.config.model import ConfigModel, PartConfig, as_refusal

NAMES = ("config", "cfg", "conf", "options", "opts", "opt", "settings", "hparams")
"""What the parameter that takes the Config is called, where the signature of a subclass leaves it open."""
PLAIN = (bool, int, float, str, type(None))
MISSING = "???"
"""How OmegaConf's structured configs mark a value that must be given."""


F = TypeVar("F", bound=Callable[..., Any])


def _remember(function: F) -> F:
    kept: Any = lru_cache(maxsize=512)(function)
    return kept


def config_class(made_from: Any) -> type | None:
    """The nested `Config` of a class; None where there is none that says what the options are."""
    found = getattr(made_from, "Config", None) if isinstance(made_from, type) else None
    if not isinstance(found, type):
        return None
    if issubclass(found, BaseModel) or dataclasses.is_dataclass(found):
        return found
    return found if hints_of(found) else None


def takes_config(made_from: Any) -> bool:
    """Whether a class has a nested `Config` and a constructor whose first parameter takes it."""
    if config_class(made_from) is None:
        return False
    try:
        first = next(iter(inspect.signature(made_from).parameters.values()), None)
    except (TypeError, ValueError):
        return False
    if first is None or first.kind in (first.KEYWORD_ONLY, first.VAR_KEYWORD):
        return False
    if first.kind is first.VAR_POSITIONAL or first.name in NAMES:
        return True
    # A constructor written below the class that brought the Config has options of its own in its signature.
    owners = {name: next((each for each in made_from.__mro__ if name in vars(each)), object) for name in ("Config", "__init__")}
    return owners["__init__"] is owners["Config"] or not issubclass(owners["__init__"], owners["Config"])


class MadeOptions:
    """Of options whose class no module holds: they are pickled with what makes the class, `(function, arguments)`."""

    __made_by__: ClassVar[tuple[Any, ...]]

    def __reduce__(self) -> Any:
        return _empty_options, self.__made_by__, self.__getstate__()


def _empty_options(make: Callable[..., type[PartConfig]], *arguments: Any) -> PartConfig:
    options = make(*arguments)
    return options.__new__(options)


@_remember
def options_from_config(made_from: Any, path: str) -> type[PartConfig]:
    """Options with the fields of the nested `Config`, and `type`, which is `path` by default."""
    config = config_class(made_from)
    if config is None:
        raise ConfigError(f"'{path}' has no nested Config", fix="give it one: a ConfigModel, a dataclass, or a class with annotations")
    section = section_of(config)
    bases = (section,) if issubclass(section, PartConfig) else (section, PartConfig)
    summary = (inspect.getdoc(made_from) or f"Options of {path}.").partition("\n\n")[0]
    make: Any = create_model
    made: type[PartConfig] = make(
        f"{made_from.__name__}Options", __base__=(MadeOptions, *bases), __doc__=summary, __module__=config.__module__, type=(str, path)
    )
    made.__made_by__ = (options_from_config, made_from, path)  # type: ignore[attr-defined]
    for each in made.model_fields.values():  # copies of the Config's own, and not built yet
        each.validate_default = each.validate_default or _has_structure(each.annotation)
    return made


@_remember
def section_of(config: type) -> type[ConfigModel]:
    """A Config class as a section of a configuration; a ConfigModel is one already."""
    return _section(config, ())


def config_object(made_from: Any, options: ConfigModel) -> Any:
    """The validated options as an instance of the class's own `Config`; raises ConfigError with what the Config itself refuses."""
    config = config_class(made_from)
    if config is None or type(options) is config:
        return options
    if isinstance(options, config) and isinstance(options, ConfigModel):  # a class made at run time cannot be pickled
        kept: Any = config
        names = kept.model_fields
        given = options.model_fields_set & set(names)
        return kept.model_construct(_fields_set=given, **{name: getattr(options, name) for name in names}, **(options.model_extra or {}))
    return options if isinstance(options, config) else _instance(config, options)


def with_default_parts(config: Any, options: type[PartConfig]) -> Any:
    """A ConfigModel that Python code made, with options in place of the names that stand as defaults of its parts; others as they are."""
    if not isinstance(config, ConfigModel):
        return config
    left = {name for name, field in options.model_fields.items() if field.validate_default} - config.model_fields_set
    if not any(isinstance(getattr(config, name, None), (*PLAIN[:4], list, dict)) for name in left):
        return config
    checked = options.model_validate({name: getattr(config, name) for name in config.model_fields_set})
    return config.model_copy(update={name: getattr(checked, name) for name in left if hasattr(config, name)})


def _section(config: type, around: tuple[type, ...]) -> type[ConfigModel]:
    if issubclass(config, ConfigModel):
        return config
    hints, defaults = hints_of(config), _defaults(config)
    fields = {name: _field(hints.get(name, Any), default, (*around, config)) for name, default in defaults.items()}
    validators: dict[str, Any] = {}
    if hasattr(config, "__post_init__"):

        def is_accepted(self: ConfigModel) -> ConfigModel:
            try:
                _instance(config, self)
            except ConfigError as error:
                raise as_refusal(error) from error
            return self

        validators["is_accepted"] = model_validator(mode="after")(is_accepted)
    summary = (config.__doc__ or "").partition("\n\n")[0]
    make: Any = create_model
    made: type[ConfigModel] = make(
        config.__name__, __base__=ConfigModel, __doc__=summary, __module__=config.__module__, __validators__=validators, **fields
    )
    return made


@dataclasses.dataclass(frozen=True)
class Default:
    """How a field gets its value when none is given; `required` when it has none."""

    required: bool = False
    make: Callable[[], Any] = lambda: None
    meaning: str | None = None


def _defaults(config: type) -> dict[str, Default]:
    """Field → default, in order, of a dataclass, a pydantic model or a plain class with annotations."""
    if issubclass(config, BaseModel):
        return {
            name: Default(field.is_required(), lambda field=field: field.get_default(call_default_factory=True), field.description)  # type: ignore[misc]
            for name, field in config.model_fields.items()
        }
    if dataclasses.is_dataclass(config):
        return {each.name: _of_dataclass_field(each) for each in dataclasses.fields(config) if each.init}
    given = {name: value for each in reversed(config.__mro__) for name, value in vars(each).items()}
    hidden = {name for name, hint in hints_of(config).items() if get_origin(hint) is typing.ClassVar or hint is typing.ClassVar}
    plain = [name for name, value in given.items() if not name.startswith("_") and isinstance(value, PLAIN)]
    names = [name for name in dict.fromkeys([*hints_of(config), *plain]) if name not in hidden]
    return {name: Default(False, lambda value=given[name]: value) if name in given else Default(True) for name in names}  # type: ignore[misc]


def _of_dataclass_field(field: dataclasses.Field[Any]) -> Default:
    meaning = field.metadata.get("help") or field.metadata.get("description")
    if field.default_factory is not dataclasses.MISSING:
        return Default(False, field.default_factory, meaning)
    if field.default is dataclasses.MISSING or field.default == MISSING:
        return Default(True, meaning=meaning)
    return Default(False, lambda: field.default, meaning)


def _field(annotation: Any, default: Default, around: tuple[type, ...]) -> tuple[Any, Any]:
    """A pydantic field: the annotation as it can be written in YAML, and the default as it would be written there."""
    allowed = _writable(annotation, around)
    if default.required:
        return allowed, Field(description=default.meaning)
    value = plain_default(default.make())
    if not _is_plain(value):  # the class's own default stands, and cannot be shown
        unset = allowed if allowed is Any else allowed | None
        return Annotated[unset, Field(exclude_if=_is_none)], Field(default=None, description=default.meaning)
    if value is None and allowed is not Any:
        allowed = allowed | None
    if _has_structure(allowed):
        return allowed, Field(default_factory=lambda: plain_default(default.make()), validate_default=True, description=default.meaning)
    if isinstance(value, list | dict):
        return allowed, Field(default_factory=lambda: plain_default(default.make()), description=default.meaning)
    return allowed, Field(default=value, description=default.meaning)


def _is_none(value: Any) -> bool:
    return value is None


def plain_default(value: Any) -> Any:
    """A default as it would be written in YAML: dataclasses and models as mappings, paths as text, enum members by name, sets as lists."""
    if _is_spelled(type(value)):
        return TypeAdapter(type(value)).dump_python(value)
    if isinstance(value, BaseModel):
        return {name: plain_default(getattr(value, name)) for name in type(value).model_fields}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain_default(getattr(value, each.name)) for each in dataclasses.fields(value) if each.init}
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {key: plain_default(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return tuple(plain_default(each) for each in value)
    return [plain_default(each) for each in value] if isinstance(value, list | set | frozenset) else value


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(each) for each in value)
    if isinstance(value, dict):
        return all(_is_plain(each) for each in value.values())
    return isinstance(value, PLAIN)


def _has_structure(annotation: Any) -> bool:
    """Whether a section, a part or a value with a spelling of its own lies anywhere in an annotation."""
    if isinstance(annotation, type) and not get_args(annotation):
        return issubclass(annotation, ConfigModel) or _is_spelled(annotation)
    return any(_has_structure(each) for each in get_args(annotation) if each is not Ellipsis and not isinstance(each, str))


def _is_spelled(kind: type) -> bool:
    """Whether a class says itself how it is written and checked, as `tw.Scheduled` does."""
    return hasattr(kind, "__get_pydantic_core_schema__") and not issubclass(kind, BaseModel)


def _writable(annotation: Any, around: tuple[type, ...]) -> Any:
    """An annotation as it can be written in YAML; Any when nothing of it can."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if annotation in PLAIN or annotation is None or origin is Literal:
        return annotation
    if origin is Annotated:
        kept = _writable(inside[0], around)
        return Annotated[(kept, *inside[1:])] if kept is not Any else Any
    if origin in (Union, types.UnionType):
        members = [each for each in (_writable(part, around) for part in inside) if each is not Any]
        return reduce(or_, members) if any(each is not type(None) for each in members) else Any
    if origin is tuple or annotation is tuple:
        items = tuple(item if item is Ellipsis else _writable(item, around) for item in inside)
        kind: Any = _of(tuple, *items)
        return Annotated[kind, BeforeValidator(_as_tuple)]
    if origin in (list, set, frozenset) or annotation in (list, set, frozenset):
        kept = _of(list, *(_writable(each, around) for each in inside))
        return Annotated[kept, BeforeValidator(_as_list)]
    if origin in (dict, Mapping) or annotation in (dict, Mapping):
        return _of(dict, *inside[:1], *(_writable(each, around) for each in inside[1:]))
    return _written_class(annotation, around) if isinstance(annotation, type) else Any


def _of(container: Any, *inside: Any) -> Any:
    """`list`, or `list[int]` where it is said of what."""
    return container[inside] if inside else container


def _written_class(annotation: type, around: tuple[type, ...]) -> Any:
    if issubclass(annotation, Enum):
        return Literal[tuple(annotation.__members__)]
    if issubclass(annotation, Path):
        return str
    if _is_spelled(annotation):
        return annotation
    if issubclass(annotation, BaseModel) or dataclasses.is_dataclass(annotation):
        return dict if annotation in around else _section(annotation, around)
    return Any


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _instance(config: type, options: ConfigModel) -> Any:
    """An instance of a Config class from validated options, nested ones included."""
    hints = hints_of(config)
    given = {name: _back(hints.get(name, Any), getattr(options, name)) for name in _defaults(config) if _is_given(options, name)}
    plain = (
        not dataclasses.is_dataclass(config)
        and not issubclass(config, BaseModel)
        and inspect.getattr_static(config, "__init__") is object.__init__
    )
    try:
        made = config() if plain else config(**given)
        for name, value in given.items() if plain else ():
            setattr(made, name, value)
    except FOREIGN as error:
        raise ConfigError(f"{config.__qualname__} refuses its values", why=f"{type(error).__name__}: {error}") from error
    return made


def _is_given(options: ConfigModel, name: str) -> bool:
    """Defaults that cannot be written in YAML are left to the Config."""
    return name in options.model_fields_set or type(options).model_fields[name].exclude_if is None


def _back(annotation: Any, value: Any) -> Any:
    """A validated value as the annotation of a Config has it: sections as dataclasses, text as paths and enum members."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _back(inside[0], value)
    if value is None or isinstance(value, PartConfig):
        return value
    if origin in (Union, types.UnionType):
        return next((back for each in inside if (back := _back(each, value)) is not value), value)
    if isinstance(annotation, type):
        return _back_to_class(annotation, value)
    if origin in (list, set, frozenset) and isinstance(value, list):
        return origin(_back(inside[0], each) for each in value) if inside else value
    if origin is tuple and isinstance(value, tuple):
        kinds = (inside[0],) * len(value) if inside[-1:] == (Ellipsis,) else inside
        return tuple(_back(kind, each) for kind, each in zip(kinds, value, strict=True))
    if origin in (dict, Mapping) and isinstance(value, dict):
        return {key: _back(inside[1], each) for key, each in value.items()}
    return value


def _back_to_class(annotation: type, value: Any) -> Any:
    if issubclass(annotation, Enum) and isinstance(value, str) and value in annotation.__members__:
        return annotation[value]
    if issubclass(annotation, Path) and isinstance(value, str):
        return annotation(value)
    if annotation in (set, frozenset) and isinstance(value, list):
        return annotation(value)
    if not (dataclasses.is_dataclass(annotation) or issubclass(annotation, BaseModel)) or isinstance(value, annotation):
        return value
    if isinstance(value, dict):  # a Config inside itself, which no section can hold
        value = _check_values(annotation, value)
    return _instance(annotation, value) if isinstance(value, ConfigModel) else value


def _check_values(config: type, values: dict[str, Any]) -> ConfigModel:
    try:
        return section_of(config).model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        fix = f"its options: {', '.join(section_of(config).model_fields)}"
        raise ConfigError(f"{config.__qualname__} refuses its values", why=why, fix=fix) from error


@_remember
def hints_of(config: type) -> dict[str, Any]:
    """Annotations of a class and its bases; one whose names do not exist at run time is Any."""
    try:
        return typing.get_type_hints(config, include_extras=True)
    except (NameError, TypeError, AttributeError):
        pass
    found: dict[str, Any] = {}
    for each in reversed(config.__mro__):
        space = vars(sys.modules[each.__module__]) if each.__module__ in sys.modules else {}
        for name, annotation in vars(each).get("__annotations__", {}).items():
            found[name] = _hint(name, annotation, dict(space), dict(vars(config)))
    return found


def _hint(name: str, annotation: Any, globals_: dict[str, Any], locals_: dict[str, Any]) -> Any:
    carrier = types.SimpleNamespace(__annotations__={name: annotation})
    try:
        return typing.get_type_hints(carrier, globals_, locals_, include_extras=True)[name]
    except (NameError, TypeError, AttributeError):
        return Any
