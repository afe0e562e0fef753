"""What a nested `Config` says of itself: whether a class has one, its annotations, and its defaults.

A Config is a ConfigModel, another pydantic model, a dataclass, or a plain class with annotations.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
import typing
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, TypeVar, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

NAMES = ("config", "cfg", "conf", "options", "opts", "opt", "settings", "hparams")
"""What the parameter that takes the Config is called, where the signature of a subclass leaves it open."""
PLAIN = (bool, int, float, str, type(None))
MISSING = "???"
"""How OmegaConf's structured configs mark a value that must be given."""

F = TypeVar("F", bound=Callable[..., Any])


def remember(function: F) -> F:
    """The function with its latest answers kept: a class is read once, though each part of a configuration asks again."""
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
    with_config, with_constructor = _owner(made_from, "Config"), _owner(made_from, "__init__")
    return with_constructor is with_config or not issubclass(with_constructor, with_config)


def _owner(made_from: type, name: str) -> type:
    return next((each for each in made_from.__mro__ if name in vars(each)), object)


@dataclasses.dataclass(frozen=True)
class Default:
    """How a field gets its value when none is given; `required` when it has none."""

    required: bool = False
    make: Callable[[], Any] = lambda: None
    meaning: str | None = None


def defaults_of(config: type) -> dict[str, Default]:
    """Field → default, in order, of a Config of any form."""
    if issubclass(config, BaseModel):
        return {name: _of_model_field(field) for name, field in config.model_fields.items()}
    if dataclasses.is_dataclass(config):
        return {each.name: _of_dataclass_field(each) for each in dataclasses.fields(config) if each.init}
    return _of_plain_class(config)


def _of_model_field(field: FieldInfo) -> Default:
    return Default(field.is_required(), partial(field.get_default, call_default_factory=True), field.description)


def _of_dataclass_field(field: dataclasses.Field[Any]) -> Default:
    meaning = field.metadata.get("help") or field.metadata.get("description")
    if field.default_factory is not dataclasses.MISSING:
        return Default(False, field.default_factory, meaning)
    if field.default is dataclasses.MISSING or field.default == MISSING:
        return Default(True, meaning=meaning)
    return Default(False, lambda: field.default, meaning)


def _of_plain_class(config: type) -> dict[str, Default]:
    """Annotated names first, then values without an annotation; an annotation alone is a field that must be given."""
    hints = hints_of(config)
    given = {name: value for each in reversed(config.__mro__) for name, value in vars(each).items()}
    values = [name for name, value in given.items() if not name.startswith("_") and isinstance(value, PLAIN)]
    hidden = {name for name, hint in hints.items() if typing.ClassVar in (hint, get_origin(hint))}
    names = [name for name in dict.fromkeys([*hints, *values]) if name not in hidden]
    return {name: Default(False, partial(given.get, name)) if name in given else Default(True) for name in names}


@remember
def hints_of(config: type) -> dict[str, Any]:
    """Annotations of a class and its bases; one whose names do not exist at run time is Any."""
    try:
        return typing.get_type_hints(config, include_extras=True)
    except (NameError, TypeError, AttributeError):
        pass
    # One name that cannot be resolved, as those under TYPE_CHECKING, must not cost the others their types: each is tried alone.
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
