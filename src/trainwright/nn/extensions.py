"""C++ and CUDA extensions built when they are first used, once for each content, and imported by name."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from trainwright.config.errors import ConfigError
from trainwright.config.foreign import folders
from trainwright.config.trust import ask
from trainwright.nn.extension_options import ExtensionOptions

HEADERS = (".h", ".hh", ".hpp", ".cuh", ".inc")
DONE = "built.json"
LOG = "build.log"
MOST_COMPLAINTS = 5
BUILT_HERE = "__trainwright_extension__"
"""On a module that was imported here: the folder it is in."""
NAMESPACES = "__trainwright_namespaces__"
"""On the same module: the namespaces of operators that it registered."""


@dataclass(frozen=True)
class Extension:
    """A built extension, imported."""

    name: str
    folder: Path
    """Where it is kept; named by the content of its sources."""
    compiled: bool
    """Whether it was built now, and not before."""


def build_extensions(options: Sequence[ExtensionOptions], cache: Path | None = None, where: str = "extensions") -> list[Extension]:
    """Build what is not built yet, and import all: `name:function` is then a path like any other. Do it before anything names one.

    Kept in `cache` (TORCH_EXTENSIONS_DIR, or the user's cache folder). One process builds while others wait. Raises ConfigError for a
    missing file, compiler or ninja, and for sources that do not compile, with the compiler's first complaints.
    """
    check_extensions(options, where)
    return [_build(each, (cache or cache_folder()).absolute(), f"{where}.{number}") for number, each in enumerate(options)]


def check_extensions(options: Sequence[ExtensionOptions], where: str = "extensions") -> None:
    """Raise ConfigError for a file or folder that is not there, or a name that two have."""
    names = [each.name for each in options]
    for number, each in enumerate(options):
        if each.name in names[:number]:
            raise ConfigError(f"two extensions are called '{each.name}'", where=f"{where}.{number}.name", fix="give one another name")
        _find_files(each, f"{where}.{number}")


def cache_folder() -> Path:
    """Where extensions are kept unless it is said otherwise."""
    torch_has = os.environ.get("TORCH_EXTENSIONS_DIR")
    if torch_has:
        return Path(torch_has) / "trainwright"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trainwright" / "extensions"


def _build(options: ExtensionOptions, cache: Path, where: str) -> Extension:
    sources, includes = _find_files(options, where)
    folder = cache / f"{options.name}-{_content(options, sources, includes)}"
    ask(f"extension {folder}", f"compile {', '.join(map(str, sources))} and load it as {options.name}")
    _check_name(options.name, where)
    already = sys.modules.get(options.name)
    if already is not None and getattr(already, BUILT_HERE, None) == str(folder):
        return Extension(options.name, folder, False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            compiled = not (folder / DONE).is_file()
            if compiled:
                _compile(options, sources, includes, folder, where)
            else:
                _import(options, folder, where)
    except OSError as error:
        why = error.strerror or str(error)
        raise ConfigError("extensions cannot be kept here", where=str(folder), why=why, fix="set TORCH_EXTENSIONS_DIR") from error
    return Extension(options.name, folder, compiled)


def _find_files(options: ExtensionOptions, where: str) -> tuple[list[Path], list[Path]]:
    """Its sources, and the folders of its headers."""
    sources = [_find(each, f"{where}.sources", Path.is_file) for each in options.sources]
    return sources, [_find(each, f"{where}.include_paths", Path.is_dir) for each in options.include_paths]


def _find(name: str, where: str, is_there: Any) -> Path:
    tried = [place / name for place in (Path.cwd(), *folders.get())]
    for each in tried:
        if is_there(each):
            return each.resolve()
    looked = ", ".join(dict.fromkeys(str(each.resolve()) for each in tried))
    fix = "the path is relative to the working directory or to the config file"
    raise ConfigError(f"there is no '{name}'", where=where, why=f"looked at {looked}", fix=fix)


def _check_name(name: str, where: str) -> None:
    """Refuse a name that an import already has."""
    there = sys.modules.get(name)
    taken = there is not None and not hasattr(there, BUILT_HERE)
    if taken or (there is None and _can_be_imported(name)):
        raise ConfigError(f"'{name}' is a module already", where=f"{where}.name", fix=f"call it {name}_ops")


def _can_be_imported(name: str) -> bool:
    spec = importlib.util.find_spec(name)
    return name in sys.stdlib_module_names or (spec is not None and spec.origin is not None)  # a folder without code does not count


def _content(options: ExtensionOptions, sources: list[Path], includes: list[Path]) -> str:
    """A hash of all that the build depends on: sources, headers beside them and in include paths, flags, compiler, torch, Python."""
    digest = hashlib.sha256(json.dumps(options.model_dump(), sort_keys=True).encode())
    digest.update(f"{torch.__version__} {sysconfig.get_config_var('SOABI')} {_compiler_version()}".encode())
    headers = {each for folder in {*(source.parent for source in sources)} for each in folder.iterdir() if each.suffix in HEADERS}
    headers |= {each for folder in includes for each in folder.rglob("*") if each.suffix in HEADERS}
    for file in [*sources, *sorted(each for each in headers if each.is_file())]:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _compiler() -> str:
    return os.environ.get("CXX", "cl" if sys.platform == "win32" else "c++")


def _compiler_version() -> str:
    found = shutil.which(_compiler())
    if found is None or sys.platform == "win32":
        return _compiler()
    return subprocess.run([found, "-dumpfullversion", "-dumpversion"], capture_output=True, text=True).stdout.strip()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process in a `with` block at a time; the lock goes when its process does, and a lock that a killed build left is dropped."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with open(folder / "trainwright.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        (folder / "lock").unlink(missing_ok=True)  # torch's own, for which it would wait for ever
        yield


def _compile(options: ExtensionOptions, sources: list[Path], includes: list[Path], folder: Path, where: str) -> None:
    """Build and import; the library's name is written last, so that a build that was cut off is begun again."""
    check_tools(options.name, sources, where)
    from torch.utils import cpp_extension

    before = _namespaces()
    path = os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = f"{path}{os.pathsep}{Path(sys.executable).parent}"  # where pip puts ninja, also when the environment is not active
    try:
        module = cpp_extension.load(
            options.name,
            [str(each) for each in sources],
            extra_cflags=options.cflags,
            extra_cuda_cflags=options.cuda_cflags,
            extra_ldflags=options.ldflags,
            extra_include_paths=[str(each) for each in includes],
            build_directory=str(folder),
            is_python_module=options.python_module,
        )
    except RuntimeError as error:
        (folder / LOG).write_text(str(error), encoding="utf-8")
        raise _does_not_compile(options.name, str(error), folder, where) from error
    except ImportError as error:
        raise _not_importable(options.name, error, where) from error
    finally:
        os.environ["PATH"] = path
    library = max(folder.glob("*.pyd" if sys.platform == "win32" else "*.so"), key=lambda each: each.stat().st_mtime)
    _register(options, folder, module if isinstance(module, ModuleType) else None, before)
    part = folder / f"{DONE}.part"
    part.write_text(json.dumps({"library": library.name}))
    part.replace(folder / DONE)


def _import(options: ExtensionOptions, folder: Path, where: str) -> None:
    """Import what was built before."""
    before = _namespaces()
    library = folder / json.loads((folder / DONE).read_text())["library"]
    try:
        if not options.python_module:
            operators: Any = torch.ops
            operators.load_library(str(library))
            _register(options, folder, None, before)
            return
        spec = importlib.util.spec_from_file_location(library.stem, library)
        if spec is None or spec.loader is None:
            raise ImportError(f"{library.name} is no extension module")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except (ImportError, OSError) as error:
        (folder / DONE).unlink(missing_ok=True)
        raise _not_importable(options.name, error, where) from error
    _register(options, folder, module, before)


def registered_namespaces() -> set[str]:
    """The namespaces under `torch.ops` that extensions brought, which were built here."""
    return {each for module in list(sys.modules.values()) for each in getattr(module, "__dict__", {}).get(NAMESPACES, ())}


def _namespaces() -> frozenset[str]:
    """All namespaces of operators that torch knows now."""
    return frozenset(each.name.partition("::")[0] for each in torch._C._jit_get_all_schemas())


def _register(options: ExtensionOptions, folder: Path, module: ModuleType | None, before: frozenset[str]) -> None:
    made = module if module is not None else ModuleType(options.name, "Operators of this extension are in torch.ops.")
    setattr(made, BUILT_HERE, str(folder))
    setattr(made, NAMESPACES, _namespaces() - before)
    sys.modules[options.name] = made


def check_tools(name: str, sources: Sequence[Path], where: str) -> None:
    """Raise ConfigError naming what is missing to build an extension, with the line that installs it."""
    compiler = _compiler()
    what = f"extension '{name}' cannot be built"
    if shutil.which(compiler) is None:
        why = f"there is no C++ compiler '{compiler}'"
        raise ConfigError(what, where=where, why=why, fix="install one (Debian: apt-get install g++), or name yours: CXX=…")
    if shutil.which("ninja", path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{Path(sys.executable).parent}") is None:
        raise ConfigError(what, where=where, why="there is no ninja", fix="pip install ninja")
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        fix = "install the headers of this Python (Debian: apt-get install python3-dev)"
        raise ConfigError(what, where=where, why="there is no Python.h", fix=fix)
    if any(source.suffix == ".cu" for source in sources):
        from torch.utils.cpp_extension import CUDA_HOME

        if CUDA_HOME is None:
            raise ConfigError(what, where=where, why="there is no CUDA toolkit (nvcc)", fix="install it, or name its folder: CUDA_HOME=…")
        if torch.version.cuda is None:
            raise ConfigError(what, where=where, why="this torch is built without CUDA", fix="install a CUDA build of torch")


def _does_not_compile(name: str, text: str, folder: Path, where: str) -> ConfigError:
    lines = [line.strip() for line in text.splitlines()]
    said = [line for line in lines if re.search(r"\b(?:fatal )?error\b[: ]|undefined reference|cannot find -l", line)]
    said = [line for line in said if not line.startswith(("Error building extension", "ninja:", "collect2:"))] or lines[-MOST_COMPLAINTS:]
    shown = "\n       ".join(said[:MOST_COMPLAINTS])
    more = f"\n       … {len(said) - MOST_COMPLAINTS} more" if len(said) > MOST_COMPLAINTS else ""
    return ConfigError(f"extension '{name}' does not compile", where=where, why=shown + more, fix=f"all the compiler said: {folder / LOG}")


def _not_importable(name: str, error: Exception, where: str) -> ConfigError:
    fix = f"PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) makes a module; for TORCH_LIBRARY alone set python_module: false ({name})"
    return ConfigError(f"extension '{name}' is built but cannot be imported", where=where, why=str(error), fix=fix)
