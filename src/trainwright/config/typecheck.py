"""`--typecheck`: shapes and types that annotations state are checked at every call, in Trainwright and in the user's own modules."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import logging
import re
import sys
import sysconfig
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from trainwright.config import foreign
from trainwright.config.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])
HERE = "trainwright.config.typecheck"
log = logging.getLogger("trainwright.config")


class OwnModules(MetaPathFinder):
    """Puts the check into Trainwright and into modules of the user's own, which are all that are not installed."""

    def __init__(self) -> None:
        self.finders: dict[str, MetaPathFinder | None] = {"trainwright": finder_of("trainwright", f"{HERE}.of_tensors")}

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The spec of a module with the check in it; None for an installed one."""
        top = fullname.partition(".")[0]
        if top not in self.finders:
            self.finders[top] = finder_of(top, f"{HERE}.of_everything") if _is_own(top) else None
        finder = self.finders[top]
        return None if finder is None else finder.find_spec(fullname, path, target)


def install() -> None:
    """Check everything that is imported from now on; a second call changes nothing.

    Raises ConfigError when jaxtyping or beartype is missing. A call with a wrong shape or type then raises jaxtyping.TypeCheckError,
    which names the function and the argument. Calls become slower by microseconds to tens of them.
    """
    missing = [each for each in ("jaxtyping", "beartype") if importlib.util.find_spec(each) is None]
    if missing:
        why = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed"
        raise ConfigError("types cannot be checked", where="--typecheck", why=why, fix="pip install 'trainwright[typecheck]'")
    if not installed():
        sys.meta_path.insert(0, OwnModules())
        foreign.loaders.append(loader_of_file)


def uninstall() -> None:
    """Import without the check again; what is imported already keeps it."""
    sys.meta_path[:] = [each for each in sys.meta_path if not isinstance(each, OwnModules)]
    foreign.loaders[:] = [each for each in foreign.loaders if each is not loader_of_file]


def installed() -> bool:
    """Whether imports are checked."""
    return any(isinstance(each, OwnModules) for each in sys.meta_path)


def of_tensors(function: F) -> F:
    """The check of functions whose annotations name tensors: those of Trainwright whose shapes matter."""
    return of_everything(function) if "Tensor" in str(getattr(function, "__annotations__", "")) else function


def of_everything(function: F) -> F:
    """The check of a function of the user's own; one whose annotations cannot be checked stays as it is."""
    import beartype

    unknown = _names_for_typing_only(getattr(getattr(function, "__code__", None), "co_filename", ""))
    notes = getattr(function, "__annotations__", {})
    if unknown and unknown & {word for each in notes.values() if isinstance(each, str) for word in re.findall(r"\w+", each)}:
        return function
    try:
        return beartype.beartype(function)
    except Exception as error:  # noqa: BLE001 (an annotation beartype cannot read is no reason to stop a run)
        log.debug("%s is not checked: %s", getattr(function, "__qualname__", function), str(error).partition("\n")[0])
        return function


@lru_cache(maxsize=512)
def _names_for_typing_only(file: str) -> frozenset[str]:
    """Names that a file imports under `if TYPE_CHECKING:`, which do not exist while it runs."""
    try:
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return frozenset()
    blocks = (each for each in ast.walk(tree) if isinstance(each, ast.If) and ast.unparse(each.test).endswith("TYPE_CHECKING"))
    imports = (each for block in blocks for line in block.body for each in ast.walk(line) if isinstance(each, ast.Import | ast.ImportFrom))
    return frozenset((alias.asname or alias.name).partition(".")[0] for each in imports for alias in each.names)


def finder_of(top: str, checker: str) -> MetaPathFinder:
    """jaxtyping's own finder for a package or module, out of `sys.meta_path` again, so that only those asked for are changed."""
    from jaxtyping import install_import_hook

    before = list(sys.meta_path)
    hook = install_import_hook([top], checker)
    made = next(each for each in sys.meta_path if each not in before)
    hook.uninstall()
    return made  # type: ignore[return-value]


def loader_of_file(name: str, file: Path) -> Loader | None:
    """The loader that puts the check into a file named by its path; None when jaxtyping has none for it."""
    spec = finder_of(file.stem, f"{HERE}.of_everything").find_spec(file.stem, [str(file.parent)])
    loader = spec.loader if spec is not None else None
    if not isinstance(loader, SourceFileLoader) or Path(loader.path).resolve() != file.resolve():
        log.warning("%s is not checked: its name is that of a package beside it, or has dots", file)
        return None
    loader.name = name
    return loader


def _is_own(top: str) -> bool:
    """Whether a top-level module lies outside Python and its installed packages."""
    spec = PathFinder.find_spec(top)
    if spec is None:
        return False
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or [])
    return bool(places) and not any(Path(each).resolve().is_relative_to(root) for each in places for root in _installed_roots())


@lru_cache(maxsize=1)
def _installed_roots() -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    roots = [paths[each] for each in ("stdlib", "platstdlib", "purelib", "platlib")]
    return tuple({Path(each).resolve() for each in [*roots, str(Path(inspect.__file__).parent)]})
