"""What a command or call writes where a person says: never over what it reads, never into a run, whole or not at all."""

from __future__ import annotations

import errno
import glob
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from trainwright.config.errors import RequestError
from trainwright.files.loaded_code import loaded_files
from trainwright.files.whole import remove_empty, sweep, whole_file, whole_folder

GLOB = frozenset("*?[")
ELSEWHERE = "choose another place"


def ensure_output(
    path: str | os.PathLike[str], inputs: Any = (), *, where: str = "-o", folders: Iterable[Path] = (), make_folders: bool = False
) -> None:
    """Raises RequestError, before anything is computed, when a file cannot be written at `path`, or must not be.

    `inputs` are texts and paths in nested mappings and lists: whatever of them names a file or a folder, from the working directory or from
    one of `folders`, is kept from being overwritten, and so are runs and the code that is loaded. Earlier outputs are replaced. The folder
    of the file must be there, unless `make_folders`.
    """
    named = os.fspath(path)
    if not named:
        raise RequestError("the name of a file is missing", where=where, fix=f"{where} FILE")
    if named.endswith(os.sep):
        fix = f"name a file in it, or leave the '{os.sep}' out"
        raise RequestError("a name with a slash at its end means a folder", where=f"{where} {named}", fix=fix)
    if is_special(named):
        return
    real = Path(os.path.realpath(named))
    if real.is_dir():
        raise RequestError("this is a folder", where=f"{where} {named}", fix="name a file in it")
    _ensure_place(real, f"{where} {named}", make_folders)
    _refuse_inputs(real, inputs, f"{where} {named}", folders)


def ensure_output_folder(path: str | os.PathLike[str], inputs: Any = (), *, where: str = "-o") -> None:
    """The same for a folder, which must be new or empty; folders above it are made where they are missing."""
    named = os.fspath(path)
    if not named:
        raise RequestError("the name of a folder is missing", where=where, fix=f"{where} FOLDER")
    real = Path(os.path.realpath(named))
    try:
        taken = os.path.lexists(real) and (not real.is_dir() or any(real.iterdir()))
    except OSError as error:
        raise refuse_writing(error, named, where) from error
    if taken:
        raise RequestError("this place is taken", where=f"{where} {named}", fix=f"name an empty or a new folder with {where}")
    _refuse_runs(real, f"{where} {named}")
    _refuse_inputs(real, inputs, f"{where} {named}", ())
    _ensure_above(real, f"{where} {named}")


@contextmanager
def write_output(path: str | os.PathLike[str], *, where: str = "-o", make_folders: bool = False) -> Iterator[Path]:
    """A place to write the file to, which becomes `path` when the block ends well; links are followed, pipes and devices written to.

    Removes what a killed process left half-made beside it. Raises RequestError when the disk refuses.
    """
    named = os.fspath(path)
    try:
        if is_special(named):
            yield Path(named)
            return
        real = Path(os.path.realpath(named))
        with _make_folders(real.parent) if make_folders else nullcontext():
            sweep(real.parent)
            with whole_file(real, sync=True) as temporary:
                yield temporary
    except OSError as error:
        raise refuse_writing(error, named, where) from error


@contextmanager
def write_output_folder(path: str | os.PathLike[str], *, where: str = "-o", beside: bool = False) -> Iterator[Path]:
    """The same for a folder that is new or empty; with `beside` what is made comes to lie in it beside what is there already."""
    named = os.fspath(path)
    real = Path(os.path.realpath(named))
    try:
        for each in (real.parent, real):
            if each.is_dir():
                sweep(each)
        with whole_folder(real, beside=beside) as temporary:
            yield temporary
    except OSError as error:
        raise refuse_writing(error, named, where) from error


def refuse_writing(error: OSError, named: str, where: str) -> RequestError:
    """The RequestError that tells a person why an output was not written."""
    place = f"{where} {named}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RequestError("the disk is full", where=place, why="nothing was written", fix="free some space, or choose another place")
    if error.errno == errno.EFBIG:
        why = "it would be larger than a file may be here (ulimit -f); nothing was written"
        return RequestError("this file cannot be written", where=place, why=why, fix=ELSEWHERE)
    return RequestError("this cannot be written", where=place, why=error.strerror or str(error), fix=ELSEWHERE)


def is_special(named: str) -> bool:
    """Whether a pipe or a device is there, which is written to and not replaced."""
    try:
        mode = os.stat(named).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)


@contextmanager
def _make_folders(folder: Path) -> Iterator[None]:
    """Make a folder and those above it, and take them away again when the block fails."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        remove_empty(missing)
        raise


def _ensure_above(folder: Path, where: str) -> None:
    """Raises RequestError when a folder cannot be made where it is missing."""
    above = next(each for each in (folder, *folder.parents) if each.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        why = f"no permission in '{above}'" if above.is_dir() else f"'{above}' is a file"
        raise RequestError("cannot write here", where=where, why=why, fix=ELSEWHERE)


def _ensure_place(real: Path, where: str, make_folders: bool) -> None:
    folder = real.parent
    if make_folders:
        _ensure_above(folder, where)
    elif not folder.is_dir():
        why = f"there is no such folder: '{folder}'"
        raise RequestError("this file cannot be written", where=where, why=why, fix="make it first, or choose another place")
    if real.exists() and not real.is_file():
        raise RequestError("cannot write here", where=where, why="what is there is no file", fix=ELSEWHERE)
    refusing = next((each for each in (folder, real) if each.exists() and not os.access(each, os.W_OK)), None)
    if refusing is not None:
        raise RequestError("cannot write here", where=where, why=f"no permission to write '{refusing}'", fix=ELSEWHERE)
    _refuse_runs(real, where)


def _refuse_runs(real: Path, where: str) -> None:
    run = next((each for each in (real, *real.parents) if (each / "run.json").is_file()), None)
    if run is not None:
        why = f"it would lie in the run {_show_path(run)}, which holds what training wrote and nothing else"
        raise RequestError("a run is not written into", where=where, why=why, fix=ELSEWHERE)


def _refuse_inputs(real: Path, inputs: Any, where: str, folders: Iterable[Path]) -> None:
    """Compare by what is on disk: other spellings, links of both kinds and letters of the other case lead to the same file."""
    if not real.exists():
        return
    for text in _texts(inputs):
        for path in _paths(text, folders):
            if _same(real, path):
                raise RequestError("this is an input", where=where, why=f"'{text}' is read from it", fix=ELSEWHERE)
            if _holds(path, real):
                why = f"it lies in '{text}', which is read from"
                raise RequestError("this is an input", where=where, why=why, fix=ELSEWHERE)
    if any(_same(real, each) for each in loaded_files().values()):
        raise RequestError("this is an input", where=where, why="it is code that was loaded", fix=ELSEWHERE)


def _texts(values: Any) -> Iterator[str]:
    if isinstance(values, str | os.PathLike):
        yield os.fspath(values)
    elif isinstance(values, Mapping):
        yield from _texts(list(values.values()))
    elif isinstance(values, list | tuple | set):
        for each in values:
            yield from _texts(each)


def _paths(text: str, folders: Iterable[Path]) -> Iterator[str]:
    """What a text may name: itself, the file before a class's name, and the files that a pattern finds."""
    text = text.removeprefix("file://")
    spellings = [text, *([text[: text.index(".py:") + 3]] if ".py:" in text else [])]
    for each in filter(None, spellings):
        for place in ("", *map(str, folders)):
            path = os.path.join(place, os.path.expanduser(each))
            yield path
            if _is_pattern_of_files(path):
                yield from glob.iglob(path, recursive=True)


def _is_pattern_of_files(path: str) -> bool:
    """`data/*` and `*.csv` find files; `*` and `encoder.*` are names of parameters far more often."""
    return bool(GLOB & set(path)) and (os.sep in path or not GLOB & set(path.rpartition(".")[2])) and "\0" not in path


def _same(real: Path, path: str | Path) -> bool:
    try:
        return os.path.samefile(real, path)
    except (OSError, ValueError):
        return False


def _holds(folder: str, real: Path) -> bool:
    """Whether an input folder holds the file; the working directory and those above it hold everything, and say nothing."""
    try:
        if not os.path.isdir(folder):
            return False
    except ValueError:
        return False
    place = Path(os.path.realpath(folder))
    return real.is_relative_to(place) and not Path.cwd().resolve().is_relative_to(place)


def _show_path(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path != here and path.is_relative_to(here) else str(path)
