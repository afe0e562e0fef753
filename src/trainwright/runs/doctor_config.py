"""What a configuration needs and this machine lacks: every part, file and package that it names is imported once."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from typing import Any

from trainwright.config.compose import Composed
from trainwright.config.errors import FOREIGN, ManyErrors, RequestError, TrainwrightError
from trainwright.config.foreign import looking_in
from trainwright.config.located import validate
from trainwright.config.model import PartConfig
from trainwright.config.places import KeyPath, spell_key
from trainwright.config.registry import load
from trainwright.config.structure import Entries, Items, PartHere, Section, Structure, below, default_at
from trainwright.config.trust import as_received
from trainwright.runs.doctor import HIDDEN, Finding, install_line, requirements

SECTION = "configuration"
DISTRIBUTIONS = {
    "PIL": "pillow",
    "cv2": "opencv-python",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "skimage": "scikit-image",
    "google.protobuf": "protobuf",
    "dateutil": "python-dateutil",
}
"""Module → the package that brings it, where the names differ."""
ABSENT = re.compile(r"No module named '([^']+)'")


@as_received
def config_findings(composed: Composed, torch_works: bool = True) -> list[Finding]:
    """Mistakes of the configuration, and what it names that cannot be imported or found, each with what to do about it."""
    made = [*_mistakes(composed), *_compilers(composed)]
    if not torch_works:
        return [*made, Finding(SECTION, "parts", "not examined, since torch does not import", "note")]
    good: list[str] = []
    with looking_in(composed.folders):
        for path, kind, name in parts_of(composed):
            problem = _problem(kind, name)
            if problem is None:
                good.append(name)
            elif not any(problem[0] in each.value for each in made):  # the check of the configuration may have told it already
                made.append(Finding(SECTION, f"{spell_key(path)} ({composed.place(path)})", problem[0], "missing", problem[1]))
    names = ", ".join(dict.fromkeys(good))
    return [*made, Finding(SECTION, "parts", f"{len(good)} can be imported: {names}" if good else "none")]


def _mistakes(composed: Composed) -> Iterator[Finding]:
    try:
        validate(composed.model, composed)
    except RequestError as error:
        for each in error.errors if isinstance(error, ManyErrors) else [error]:
            absent = ABSENT.search(each.why)
            fix = _to_install(absent[1]) if absent else each.fix
            what = f"{each.what}: {each.why}" if each.why else each.what
            yield Finding(SECTION, each.where or "config", what, "missing", fix)


def parts_of(composed: Composed) -> list[tuple[KeyPath, str, str]]:
    """Every part that a configuration uses, given or by default: its path, kind and name."""
    return list(_walk(Section(composed.model), composed.values, (), composed.model))


def _walk(here: Structure, value: Any, path: KeyPath, model: Any) -> Iterator[tuple[KeyPath, str, str]]:
    if isinstance(here, PartHere):
        name = value.get("type", here.default) if isinstance(value, dict) else value or here.default
        is_data = here.kind == "source" and isinstance(value, str)  # a path, a glob or builtin:NAME
        if isinstance(name, str) and name and not is_data:
            yield path, here.kind, name
    if isinstance(here, Section | PartHere) and isinstance(value, dict):
        for key, each in value.items():
            yield from _walk(below(here, key, value), each, (*path, key), model)
    if isinstance(here, Section):
        for key in here.model.model_fields:
            if not isinstance(value, dict) or key not in value:
                yield from _default(below(here, key), (*path, key), model)
    elif isinstance(here, Entries) and isinstance(value, dict):
        for key, each in value.items():
            yield from _walk(here.of, each, (*path, key), model)
    elif isinstance(here, Items) and isinstance(value, list):
        for number, each in enumerate(value):
            yield from _walk(here.of, each, (*path, number), model)


def _default(here: Structure, path: KeyPath, model: Any) -> Iterator[tuple[KeyPath, str, str]]:
    try:
        default = default_at(model, path)
    except KeyError:
        default = None
    if isinstance(here, Section) or default is not None:
        yield from _walk(here, _write_default(default), path, model)


def _write_default(value: Any) -> Any:
    """A default as it would be written: parts by their name."""
    if isinstance(value, PartConfig):
        return value.type
    if isinstance(value, list):
        return [_write_default(each) for each in value]
    return value if isinstance(value, str | dict) else None


def _problem(kind: str, name: str) -> tuple[str, str] | None:
    """Why a part cannot be had, and what to do; None when it can."""
    try:
        load(kind, name)
    except TrainwrightError as error:
        absent = ABSENT.search(error.why)
        why = f"{error.what}: {error.why}" if error.why else error.what
        return why, _to_install(absent[1]) if absent else error.fix
    except FOREIGN as error:  # whatever an import raises is the finding
        absent = ABSENT.search(str(error))
        what = f"{kind} {name} does not import: {type(error).__name__}: {error}"
        return what, _to_install(absent[1]) if absent else ""
    return None


def _to_install(module: str) -> str:
    package = package_of(module)
    sure = package.startswith("trainwright[") or any(package in names for names in requirements().values())
    return install_line([package]) + ("" if sure else ", or check the spelling")


def package_of(module: str) -> str:
    """What to install for a module: the extra that has it, or its own package."""
    top = module.partition(".")[0]
    package = DISTRIBUTIONS.get(module) or DISTRIBUTIONS.get(top) or top
    folded = package.lower().replace("_", "-")
    extras = {extra: {each.lower().replace("_", "-") for each in names} for extra, names in requirements().items()}
    extra = next((extra for extra, names in extras.items() if extra and extra not in HIDDEN and folded in names), "")
    return f"trainwright[{extra}]" if extra else package


def _compilers(composed: Composed) -> list[Finding]:
    compiled = composed.root.nearest(("trainer", "modes", "compile"))
    if compiled[1] < 3 or not compiled[0].plain() or shutil.which("g++") or shutil.which("c++"):
        return []
    fix = "install g++ (Debian: apt install g++), or set trainer.modes.compile=false"
    return [Finding(SECTION, "trainer.modes.compile", "torch.compile needs a C++ compiler", "missing", fix)]
