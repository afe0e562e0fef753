"""Classes named by path (`torch.optim.RMSprop`, `my_pkg.nets:Net`, `./net.py:Net`): found, and their options read from the signature."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, reduce
from importlib.abc import Loader
from operator import or_
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import ConfigDict, Field, create_model

from trainwright.config.errors import FOREIGN, ConfigError, did_you_mean
from trainwright.config.model import PartConfig
from trainwright.config.nested import MadeOptions
from trainwright.config.own_code import at_own_line
from trainwright.config.received import ask_for_right, lacks_right
from trainwright.config.torch_names import LISTED
from trainwright.config.trust import ask, is_inside, is_named

CONTEXT: dict[str, tuple[str, ...]] = {
    "source": ("memory_limit",),
    "feature": ("name",),
    "encoder": ("group",),
    "combiner": ("shapes", "rows"),
    "decoder": ("width", "members", "target"),
    "loss": ("target",),
    "optimizer": ("params", "parameters", "groups"),
    "schedule": ("extent", "higher_is_better", "optimizer"),
    "tracker": ("folder",),
}
"""Kind → parameters that the program fills in, and that are no options."""

PLAIN = (bool, int, float, str, type(None))
folders: ContextVar[tuple[Path, ...]] = ContextVar("folders", default=())
"""Where files and packages named in a config are looked for, after the working directory."""
loaders: list[Callable[[str, Path], Loader | None]] = []
"""Ways to load a file other than Python's own, asked in turn with the module's name and the file; `--typecheck` puts its own here."""


@contextmanager
def looking_in(places: Iterable[Path]) -> Iterator[None]:
    """Look for `./net.py:Net` in these folders too, for the length of a `with` block."""
    token = folders.set(tuple(each for each in places if not is_inside(each)))
    try:
        yield
    finally:
        folders.reset(token)


def is_path(name: str) -> bool:
    """Whether `name` is written as a path to a class rather than as a registered name."""
    return ":" in name or "." in name


OFFERED: dict[str, tuple[str, ...]] = {"dataset": ("seed", "memory_limit")}
"""Kind → names that the program gives where the configuration does not."""

BY_PATH = "trainwright_file_"  # how the names of modules begin that were loaded by the path of their file
NOT_WRITTEN = object()
"""A default that no file shows."""


def found_at(name: str) -> tuple[Any, str]:
    """The class (or function) at a path, and the path with a file made absolute; raises ConfigError with the reason it cannot be had.

    A path that a received file names without consent is refused before anything of it is looked at (`config/trust.py`).
    """
    module_name, colon, attribute = name.rpartition(":")
    if colon and module_name.endswith(".py"):
        file = _asked_file(module_name, name, f" and use {attribute} of it")
        return _attribute(module_of_file(file), attribute, name), f"{file}:{attribute}"
    _ask_module(name)
    if colon:
        return _attribute(_module(module_name, name), attribute, name), name
    if name.endswith(".py"):
        raise ConfigError(f"'{name}' names a file but no class", fix=f"write {name}:ClassName")
    return _import_dotted(name), name


def module_exists(name: str) -> bool:
    """Whether `name` can be imported as a module from here, the working directory or the config's folder."""
    if "." in name:  # its package would be imported to find out
        _ask_module(name)
    return all(each.isidentifier() for each in name.split(".")) and _exists(name, name)


def why_not_own(name: str) -> str:
    """Why what a path names is not code of one's own, but Python's, Trainwright's or an installed package's; empty where it is one's own.

    Nothing is imported to find out. A file is one's own, and so is a package that lies outside of what is installed, or that a
    configuration names under `imports`; one that is not there is told when it is looked for.
    """
    module, colon, _ = name.rpartition(":")
    if module.endswith(".py"):
        return ""
    keys = (module if colon else name).split(".")
    if not all(each.isidentifier() for each in keys) or any(is_named(".".join(keys[:count])) for count in range(1, len(keys) + 1)):
        return ""
    top = keys[0]
    if top in sys.stdlib_module_names and top != "__main__":
        return f"{top} is a module of Python"
    return f"{top} is an installed package" if _is_installed(top) else ""


def _is_installed(top: str) -> bool:
    """Whether a package is what pip installed, or is in use by Trainwright itself; a folder of that name beside a run is not."""
    if top in (__name__.partition(".")[0], "torch"):
        return True
    _add_to_path()
    spec = None if top in sys.modules and getattr(sys.modules[top], "__spec__", None) is None else importlib.util.find_spec(top)
    places = [] if spec is None else [*(spec.submodule_search_locations or []), *([spec.origin] if spec.origin else [])]
    return any({"site-packages", "dist-packages"} & set(Path(each).parts) for each in places)


def import_code(name: str) -> Any:
    """The module at `package.module` or `./file.py`, run once; raises ConfigError with the reason it cannot be had."""
    if name.endswith(".py"):
        return module_of_file(_asked_file(name, name))
    ask(name, f"import {name}")
    return _module(name, name)


def _asked_file(text: str, name: str, use: str = "") -> Path:
    """The file, once it may be run; raises ConfigError where it may not, also for one that is not there."""
    try:
        file = _file(text, name)
    except ConfigError:
        ask(name, f"run {text}{use}, which is not here")
        raise
    ask(name.replace(text, str(file), 1), f"run {file}{use}", written=name)
    return file


def _ask_module(name: str) -> None:
    if name in LISTED and _is_installed(name.partition(".")[0]):
        return
    module, _, attribute = name.rpartition(":" if ":" in name else ".")
    ask(name, f"import {module} and use {attribute} of it" if module else f"import {name}")


def absolute(name: str) -> str:
    """A module's name as it is, or the file with its whole path; raises ConfigError when there is no such file."""
    return str(_file(name, name)) if name.endswith(".py") else name


def own_options(made_from: Any) -> type[PartConfig] | None:
    """The options class of a class whose first parameter is annotated with one, as the parts here are written.

    A nested Config that is a kind of those options goes before: the constructor may be that of the class it is derived from.
    """
    first = next(iter(_parameters(made_from)), None)
    annotation = _hints(made_from).get(first.name) if first else None
    if not isinstance(annotation, type) or not issubclass(annotation, PartConfig):
        return None
    nested = getattr(made_from, "Config", None)
    return nested if isinstance(nested, type) and issubclass(nested, annotation) else annotation


def context_names(made_from: Any, context: Mapping[str, Any]) -> list[str]:
    """The names of `context` that the signature takes, or `configure` where the constructor of a class with a Config hands all on to it."""
    parameters = _parameters(made_from)
    if hasattr(made_from, "Config") and any(each.kind is each.VAR_KEYWORD for each in parameters):
        parameters += _parameters(getattr(made_from, "configure", None))
    named = {each.name for each in parameters}
    return [name for name in context if name in named]


def is_loss_function(made_from: Any) -> bool:
    """Whether it is the loss itself, called with output and target, and no class or function that makes one."""
    if isinstance(made_from, type):
        return False
    first = [each for each in _parameters(made_from) if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)][:2]
    return len(first) == 2 and all(each.default is each.empty for each in first) and first[0].name not in CONTEXT["loss"]


@lru_cache(maxsize=256)
def options_from_signature(made_from: Any, path: str, kind: str) -> type[PartConfig]:
    """Options with the names, types and defaults of a signature; what the program fills in is left out."""
    hints = _hints(made_from)
    fields: dict[str, Any] = {}
    parameters = _parameters(made_from)[2 if kind == "loss" and is_loss_function(made_from) else 0 :]
    for each in parameters:
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD, each.POSITIONAL_ONLY) or each.name in (*CONTEXT.get(kind, ()), "type"):
            continue
        if each.name.startswith("_") or hasattr(PartConfig, each.name):
            continue
        offered = each.name in OFFERED.get(kind, ())
        fields[each.name] = _field(hints.get(each.name, Any), NOT_WRITTEN if offered else each.default)
    if kind == "schedule" and "every" not in fields and hasattr(made_from, "get_last_lr"):
        fields["every"] = (Literal["step", "epoch"], "step")
    takes_all = any(each.kind is each.VAR_KEYWORD for each in parameters)
    summary = (inspect.getdoc(made_from) or f"Options of {path}.").partition("\n\n")[0]
    base = _Open if takes_all else PartConfig
    name = f"{getattr(made_from, '__name__', 'Part')}Options"
    fields["type"] = (str, path)
    make: Any = create_model
    options: type[PartConfig] = make(name, __base__=(MadeOptions, base), __doc__=summary, **fields)
    options.__made_by__ = (options_from_signature, made_from, path, kind)
    return options


class _Open(PartConfig):
    """For signatures with `**kwargs`: any option is passed on."""

    model_config = ConfigDict(extra="allow")


def _field(annotation: Any, default: Any) -> tuple[Any, Any]:
    allowed = _writable(annotation)
    if default is inspect.Parameter.empty:
        return allowed, ...
    if not _is_plain(default):
        return Annotated[allowed | None if allowed is not Any else Any, Field(exclude_if=_is_none)], None
    if default is None and allowed is not Any:
        allowed = allowed | None
    return allowed, list(default) if isinstance(default, tuple) and not _has_tuple(allowed) else default


def _is_none(value: Any) -> bool:
    return value is None


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(each) for each in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(each) for key, each in value.items())
    return isinstance(value, PLAIN)


def _has_tuple(annotation: Any) -> bool:
    return get_origin(annotation) is tuple or any(_has_tuple(each) for each in get_args(annotation))


def _writable(annotation: Any) -> Any:
    """The part of a type that can be written in YAML; Any when nothing of it can."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if annotation in PLAIN or annotation is None or origin is Literal:
        return annotation
    if origin is Annotated:
        return _writable(inside[0])
    if origin in (Union, types.UnionType):
        kept = [each for each in (_writable(part) for part in inside) if each is not Any]
        return reduce(or_, kept) if any(each is not type(None) for each in kept) else Any
    if origin in (list, tuple, dict) and all(each is Ellipsis or _writable(each) is not Any for each in inside):
        return origin[tuple(each if each is Ellipsis else _writable(each) for each in inside)]
    return annotation if annotation in (list, dict) else Any


def _parameters(made_from: Any) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(made_from).parameters.values())
    except (TypeError, ValueError):
        return []


def _hints(made_from: Any) -> dict[str, Any]:
    function = inspect.getattr_static(made_from, "__init__") if isinstance(made_from, type) else made_from
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError):  # annotations that need names the module does not have at run time
        return {}


def _import_dotted(name: str) -> Any:
    """`a.b.Class`: the longest prefix that is a module, then attributes."""
    keys = name.split(".")
    if not all(each.isidentifier() for each in keys):
        raise ConfigError(f"'{name}' is not an import path", fix="write package.module.Class, package.module:Class or ./file.py:Class")
    for count in range(len(keys) - 1, 0, -1):
        prefix = ".".join(keys[:count])
        if _exists(prefix, name):
            return _attribute(_module(prefix, name), ".".join(keys[count:]), name)
    raise ConfigError(f"cannot import '{name}'", why=f"No module named '{keys[0]}'", fix="install it, or name a module that is installed")


def _exists(module: str, name: str) -> bool:
    _add_to_path()
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(f"{error.name}.")):
            return False
        raise _cannot_import(name, error) from error
    except FOREIGN as error:
        raise _cannot_import(name, error) from error


def _module(module: str, name: str) -> Any:
    _add_to_path()
    return _import_file(lambda: importlib.import_module(module), name)


def _add_to_path() -> None:
    """The working directory and the config's folder, last, so that they hide no installed package."""
    _put_on_path(*(each for each in (Path.cwd(), *folders.get()) if not is_inside(each)))


def _put_on_path(*places: Path) -> None:
    sys.path += [each for each in dict.fromkeys(map(str, places)) if each not in sys.path]


def _import_file(load: Callable[[], Any], name: str) -> Any:
    try:
        return load()
    except FOREIGN as error:  # whatever the imported code raises is the answer
        raise _cannot_import(name, error) from error


def _cannot_import(name: str, error: BaseException) -> ConfigError:
    missing = isinstance(error, ModuleNotFoundError)
    why = str(error) if missing else f"{type(error).__name__}: {error}"
    fix = "install it, or name a module that is installed" if missing else at_own_line(error)
    fix = ask_for_right(error.filename or name) if lacks_right(error) and isinstance(error, OSError) else fix
    return ConfigError(f"cannot import '{name}'", why=why, fix=fix)


def _file(text: str, name: str) -> Path:
    tried = [place / text for place in (Path.cwd(), *folders.get())]
    for each in tried:
        if each.is_file():
            return each.resolve()
    looked = ", ".join(dict.fromkeys(str(each.resolve()) for each in tried))
    raise ConfigError(
        f"cannot import '{name}'", why=f"no such file: {looked}", fix="the path is relative to the working directory or to the config file"
    )


def module_of_file(file: Path) -> Any:
    """The module that a Python file makes, run once however often it is named; raises ConfigError with what went wrong in it.

    It may import what lies beside it; a file in a folder with `__init__.py` is imported as a module of that package.
    """
    name = f"{BY_PATH}{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    _put_on_path(file.parent)
    in_package = _name_in_package(file)
    if in_package:
        sys.modules[name] = _import_file(lambda: importlib.import_module(in_package), str(file))
        return sys.modules[name]
    return _run_file(name, file)


def _name_in_package(file: Path) -> str:
    """`package.module` of a file inside a package; empty where it is in none, or where the name means another package."""
    top = next((each for each in file.parents if not (each / "__init__.py").is_file()), file.parent)
    keys = file.relative_to(top).with_suffix("").parts
    if len(keys) < 2 or not all(each.isidentifier() for each in keys):
        return ""
    _put_on_path(top)
    try:
        spec = importlib.util.find_spec(keys[0])
    except ValueError:  # a module without a spec has that name
        return ""
    places = (spec and spec.submodule_search_locations) or []
    if not any(Path(each).resolve() == top / keys[0] for each in places):
        return ""
    return ".".join(keys[:-1] if keys[-1] == "__init__" else keys)


def _run_file(name: str, file: Path) -> Any:
    own = next((found for each in loaders if (found := each(name, file)) is not None), None)
    spec = importlib.util.spec_from_file_location(name, file, loader=own)
    if spec is None or spec.loader is None:
        raise ConfigError(f"cannot import '{file}'", why="it is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader = spec.loader
    try:
        _import_file(lambda: loader.exec_module(module), str(file))
    except BaseException:  # an interrupt too: what is half made must not be taken for the whole by the next call
        del sys.modules[name]
        raise
    return module


def _attribute(module: Any, attribute: str, name: str) -> Any:
    found = module
    for each in attribute.split("."):
        if not each or not hasattr(found, each):
            names = (
                [key for key, value in vars(found).items() if callable(value) and not key.startswith("_")]
                if hasattr(found, "__dict__")
                else []
            )
            where = getattr(found, "__file__", None) or getattr(found, "__name__", str(found))
            raise ConfigError(f"cannot import '{name}'", why=f"{where} has no '{each}'", fix=did_you_mean(each, names, limit=6))
        found = getattr(found, each)
    if not callable(found):
        raise ConfigError(
            f"'{name}' is not a class", why=f"it is {type(found).__name__}", fix="name a class, or a function that makes the part"
        )
    return found
