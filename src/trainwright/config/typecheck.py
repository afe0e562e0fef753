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
LONGEST = 120
"""Characters of a value that are shown."""
FILE_MODULE = re.compile(r"\btrainwright_file_\w+?_[0-9a-f]{8}\.")
"""The module of a file named by its path, as it stands before the names in it."""
CALLED = re.compile(r"whilst checking the (parameters|return value) of (\S+)\.$", re.MULTILINE)
ARGUMENT = re.compile(r"whilst typechecking parameter '(\w+)'")
VALUES = re.compile(r"^Actual value: (.*?)\nExpected type: (.*?)\.$", re.MULTILINE | re.DOTALL)
AXES = re.compile(r"jaxtyping axis annotation are as follows\.\s*(.*)", re.DOTALL)
ARRAY = re.compile(r"\b(bool|bf|f|i|u|c)(\d*)\[([\d,]*)\]\(\w+\)")
KINDS = {"bf": "bfloat", "f": "float", "i": "int", "u": "uint", "c": "complex", "bool": "bool"}
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
    if not is_installed():
        sys.meta_path.insert(0, OwnModules())
        foreign.loaders.append(loader_of_file)


def uninstall() -> None:
    """Import without the check again; what is imported already keeps it."""
    sys.meta_path[:] = [each for each in sys.meta_path if not isinstance(each, OwnModules)]
    foreign.loaders[:] = [each for each in foreign.loaders if each is not loader_of_file]


def is_installed() -> bool:
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


def readable(error: BaseException) -> str:
    """One line for an error: which argument of which function was declared as what, and what it got; of any other error its first line."""
    package = type(error).__module__.partition(".")[0]
    text = FILE_MODULE.sub("", str(error))
    called = CALLED.search(text)
    if package == "beartype":
        return " ".join(text.split()) + _caller(error)
    if package != "jaxtyping" or called is None:
        return f"{type(error).__name__}: {error}".splitlines()[0].rstrip(": ")
    values, argument = VALUES.search(text), ARGUMENT.search(text)
    if values is None:
        return f"{called[2]}: the arguments do not fit their annotations{_caller(error)}"
    what = f"argument {argument[1]}" if argument else "the result" if called[1] == "return value" else "an argument"
    expected = _plain_type(values[2])
    return f"{called[2]}: {what} is {expected}, got {_plain_value(values[1])}{_axes(expected, text)}{_caller(error)}"


def _plain_type(text: str) -> str:
    """`<class 'Float[Tensor, 'b 3']'>` → `Float[Tensor, 'b 3']`."""
    return " ".join(re.sub(r"<class '(.*)'>", r"\1", re.sub(r"\b(jaxtyping|typing)\.", "", text)).split())


def _plain_value(text: str) -> str:
    """`f32[4,2](torch)` → `(4, 2) float32`."""

    def spell(found: re.Match[str]) -> str:
        sizes = found[3].split(",") if found[3] else []
        return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''}) {KINDS[found[1]]}{found[2]}"

    plain = " ".join(ARRAY.sub(spell, text).split())
    return plain if len(plain) <= LONGEST else f"{plain[:LONGEST]}…"


def _axes(expected: str, text: str) -> str:
    """The sizes that earlier arguments gave to the axes named in a type."""
    found = AXES.search(text)
    pairs = [each.partition("=")[::2] for each in found[1].split()] if found else []
    known = [f"{name} is {size}" for name, size in pairs if re.search(rf"\b{re.escape(name)}\b", expected.partition(",")[2])]
    return f", where {' and '.join(known)}" if known else ""


def _caller(error: BaseException) -> str:
    """File and line of the innermost call in code that is neither installed nor Trainwright's."""
    own, trace, found = Path(__file__).parent.parent, error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        path = Path(file)
        if not file.startswith("<") and not any(path.is_relative_to(root) for root in (own, *_installed_roots())):
            found = f" ({path.name}:{trace.tb_lineno})"
        trace = trace.tb_next
    return found
