"""Classes named by path (`torch.optim.RMSprop`, `my_pkg.nets:Net`, `./net.py:Net`)."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.abc import Loader
from pathlib import Path
from typing import Any

from trainwright.config.errors import FOREIGN, ConfigError, did_you_mean
from trainwright.config.own_code import at_own_line
from trainwright.config.received import ask_for_right, lacks_right
from trainwright.config.torch_names import LISTED
from trainwright.config.trust import ask, folder_read, is_inside, is_named
from trainwright.config.vision_libraries import GUARDED, import_guarded, is_installed

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


KEPT = "code/files"
"""Where a run keeps a copy of the code that it was trained with."""
BY_PATH = "trainwright_file_"  # how the names of modules begin that were loaded by the path of their file


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
    _import_guarded(module)
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
    _import_guarded(module)
    return _import_file(lambda: importlib.import_module(module), name)


def _import_guarded(module: str) -> None:
    """timm and torchvision, where they are named and are there, in the one place that knows what may be wrong with them."""
    top = module.partition(".")[0]
    if top in GUARDED and is_installed(top):
        import_guarded(top)


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
    fix = "the path is relative to the working directory or to the config file"
    if Path(text).is_absolute():
        fix = _where_it_was(Path(text))
    raise ConfigError(f"cannot import '{name}'", why=f"no such file: {looked}", fix=fix)


def _where_it_was(file: Path) -> str:
    """What helps where a file is gone from its place: the copy that a run keeps of its code, where it has one."""
    run = folder_read()
    kept = [] if run is None else sorted((run / KEPT).glob(f"**/{file.name}"))
    if len(kept) == 1:
        folder = "" if file.parent.is_dir() else f"mkdir -p {shlex.quote(str(file.parent))} && "
        return f"the run keeps a copy: {folder}cp {shlex.quote(str(kept[0]))} {shlex.quote(str(file))}"
    return "put the file back at that place (a run keeps a copy of its code in RUN/code/files)"


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
