"""Parts of one's own: classes registered by name (`@tw.register("sphere")`), found by name, path or composition, and made from options."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from trainwright.config import registry
from trainwright.config.choice import choice
from trainwright.config.config_classes import config_class
from trainwright.config.errors import ConfigError, ManyErrors, RequestError
from trainwright.config.foreign import absolute, import_code, looking_in
from trainwright.config.model import PartConfig
from trainwright.config.nested import config_object, options_from_config, with_default_parts
from trainwright.config.places import Node

C = TypeVar("C", bound=Callable[..., Any])

PARTS: dict[str, registry.Part] = {}
"""Name → a class or function that `tw.register` named; files named under `imports` fill it."""

if TYPE_CHECKING:
    Part = PartConfig
else:
    Part = choice("part")
"""The type of a field of a Config that picks another part, by its name or as a mapping with `type`."""


class OwnPart(registry.Part):
    """A registered class or function; its options are read from it when they are first asked for."""

    def __init__(self, name: str, made_from: Any) -> None:
        summary = (inspect.getdoc(made_from) or "").partition("\n")[0] or "a part of your own"
        for key, value in {"path": place_of(made_from), "summary": summary, "name": name, "made_from": made_from}.items():
            object.__setattr__(self, key, value)

    name: ClassVar[str]
    made_from: ClassVar[Any]

    @property
    def config(self) -> type[PartConfig]:
        """The options; read late, since names in the annotations may be defined below the class."""
        return registry.options_of_class(self.made_from, self.name, "part")

    def load(self) -> Any:
        """The class or function itself."""
        return self.made_from


def register(name: str) -> Callable[[C], C]:
    """Give a class or function a name that a configuration can use as `type`; it is returned as it is.

    Raises ConfigError when the name is taken by a class of another place; the same class of a file that is run again replaces the old one.
    """
    if not isinstance(name, str) or not name or any(each in name for each in ":,./ \t\n"):
        raise ConfigError(f"{name!r} cannot be the name of a part", fix='write @tw.register("name"): letters, digits, - and _')

    def register_class(made_from: C) -> C:
        if not callable(made_from):
            raise ConfigError(f"'{name}' is {type(made_from).__name__}, not a class or a function", fix="put @tw.register above a class")
        old = next((each for each in PARTS if each.replace("-", "_") == name.replace("-", "_")), "")
        if old and not _is_same(PARTS[old].load(), made_from):
            why = f"{old!r} is {PARTS[old].path}; now comes {place_of(made_from)}"
            raise ConfigError(f"two parts are named '{name}'", why=why, fix="give one of them another name")
        PARTS.pop(old, None)
        PARTS[name] = OwnPart(name, made_from)
        return made_from

    return register_class


def find(name: str) -> Any:
    """The class of a registered name, `package.module.Class`, `./file.py:Class` or `base:mixin1,mixin2`; raises ConfigError otherwise."""
    return registry.load("part", name)


def make(part: str | Mapping[str, Any] | PartConfig, **context: Any) -> Any:
    """The part that a name, a mapping with `type` or validated options describe, with the context that it takes; raises ConfigError."""
    if isinstance(part, PartConfig):
        return registry.build("part", part, **context)
    name = part if isinstance(part, str) else part.get("type")
    if not isinstance(name, str):
        raise ConfigError("the mapping has no `type`", fix="name the part, for example {type: sphere}")
    options = registry.options_class("part", name)
    given = {} if isinstance(part, str) else dict(part)
    return registry.build("part", _validate_options(options, {**given, "type": registry.canonical_name("part", name)}), **context)


def configured(made_from: type, value: Any = None) -> Any:
    """An instance of a class's nested `Config` from a mapping, options, a Namespace, an OmegaConf node or nothing, checked whole.

    Raises ConfigError or ManyErrors for unknown keys and values that do not fit.
    """
    config = config_class(made_from)
    if config is None:
        raise ConfigError(f"{made_from.__qualname__} has no nested Config", fix="write `class Config(tw.ConfigModel)` or a dataclass in it")
    options = options_from_config(made_from, made_from.__qualname__)
    if isinstance(value, config) and not isinstance(value, options):
        return with_default_parts(value, options)
    if isinstance(value, config):
        return value
    from trainwright.config.old_forms.objects import plain

    given = {} if value is None else plain(value, made_from.__qualname__)
    if isinstance(value, options):
        return config_object(made_from, value)
    return config_object(made_from, _validate_options(options, {"type": made_from.__qualname__, **given}))


def _validate_options(options: type[PartConfig], values: dict[str, Any]) -> PartConfig:
    from trainwright.config.compose import compose
    from trainwright.config.located import validate

    try:
        return validate(options, compose(options, values, (), {}))
    except ManyErrors as error:
        raise (error.errors[0] if len(error.errors) == 1 else error) from error


def import_modules(names: Iterable[str], folders: Iterable[Path] = ()) -> None:
    """Run `./my_parts.py` and `my_package`, so that what they register is known; raises ConfigError, or ManyErrors for several."""
    problems: list[RequestError] = []
    with looking_in(folders):
        for each in names:
            try:
                import_code(each)
            except RequestError as error:
                problems.append(error)
    if problems:
        raise problems[0] if len(problems) == 1 else ManyErrors(problems)


def import_named(node: Node | None, folders: Iterable[Path] = ()) -> list[RequestError]:
    """The same for the `imports:` of a configuration; what goes wrong comes back with file, line and column."""
    if node is None or node.value is None:
        return []
    problems: list[RequestError] = []
    for each in node.value if isinstance(node.value, list) else [node]:
        if not isinstance(each.value, str):
            fix = "write imports: [./my_parts.py, my_package]"
            problems.append(ConfigError("`imports` names files and packages", where=str(each.place), fix=fix))
            continue
        try:
            import_modules([each.value], folders)
        except RequestError as error:
            problems.append(type(error)(error.what, where=str(each.place), why=error.why, fix=error.fix))
    return problems


def absolute_imports(names: list[str]) -> list[str]:
    """Files with their whole path, so that they mean the same from any folder."""
    return [absolute(each) for each in names]


def place_of(made_from: Any) -> str:
    """`file:line` of a class or function, or its module and name."""
    file = _file_of(made_from)
    try:
        line = inspect.getsourcelines(made_from)[1]
    except (OSError, TypeError):
        line = 0
    name = getattr(made_from, "__qualname__", type(made_from).__name__)
    return f"{file}:{line} ({name})" if file and line else f"{getattr(made_from, '__module__', '')}:{name}"


def _file_of(made_from: Any) -> str:
    code = getattr(made_from, "__code__", None)
    if code is not None:
        return str(code.co_filename)
    return getattr(sys.modules.get(getattr(made_from, "__module__", "")), "__file__", None) or ""


def _is_same(old: Any, new: Any) -> bool:
    """Whether both are one class or function, of one file run twice or of one cell of a notebook."""
    if getattr(old, "__qualname__", old) != getattr(new, "__qualname__", new):
        return False
    in_main = old.__module__ == new.__module__ == "__main__"
    return old is new or in_main or (bool(_file_of(old)) and _file_of(old) == _file_of(new))


__all__ = ["PARTS", "Part", "absolute_imports", "configured", "find", "import_modules", "import_named", "make", "register"]
