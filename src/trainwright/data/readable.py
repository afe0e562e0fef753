"""Whether a file that a person named can be read, or what is wrong with it and which was meant."""

from __future__ import annotations

import os
import stat
from itertools import islice
from pathlib import Path

from trainwright.config.domains import register
from trainwright.config.errors import DataError, nearest
from trainwright.config.received import ask_for_right, lacks_right
from trainwright.data.endings import COMPRESSED, EXTENSIONS

LOOKED_AT = 5000
"""Files of a folder that are looked at to say what is in it."""
ALIKE = 0.65
"""How alike a name must be to be offered in place of one that is not there, 0 to 1."""


def check_readable(path: Path, where: str = "data.source") -> None:
    """Raises DataError when `path` is missing (nearest name offered), a directory, no regular file, empty or not to be read."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"no file '{path}'", where=where, fix=name_beside(path)) from None
    except (OSError, ValueError) as error:  # a name too long, or with a NUL; a folder that may not be looked into
        why = getattr(error, "strerror", None) or str(error)
        fix = ask_for_right(path) if lacks_right(error) else "give a name that a file can have"
        raise DataError(f"'{str(path)[:200]}' cannot be read", where=where, why=why, fix=fix) from error
    if stat.S_ISDIR(mode):
        raise _refuse_folder(path, where)
    if not stat.S_ISREG(mode):
        why = "a pipe or device can be read once only, or never ends"
        raise DataError(f"'{path}' is no regular file", where=where, why=why, fix="write what it gives to a file, and name that")
    try:
        with path.open("rb") as opened:
            first = opened.read(1)
    except OSError as error:
        fix = ask_for_right(path) if lacks_right(error) else "copy it elsewhere, or get it again"
        raise DataError(f"'{path}' cannot be read", where=where, why=error.strerror or str(error), fix=fix) from error
    if not first:
        raise DataError(f"'{path}' is empty", where=where, why="it has 0 bytes", fix="give a file with column names and rows")


def refuse_run(folder: Path, where: str = "data.source") -> None:
    """Raise DataError for the directory of a run, which is no data, whatever pictures and tables it holds."""
    if all(os.path.isfile(folder / name) for name in ("run.json", "config.yaml")):
        fix = f"to continue it: trainwright resume {folder}; to train as it was: trainwright train {folder / 'config.yaml'} run.dir=DIR"
        raise DataError(f"'{folder}' is a run, and no data", where=where, why="it holds run.json and config.yaml", fix=fix)


def _refuse_folder(folder: Path, where: str) -> DataError:
    """A folder that nobody reads as a whole: one of tables that has to be named by them, or one with nothing that is read."""
    if not os.access(folder, os.R_OK):
        return DataError(f"'{folder}' cannot be read", where=where, why="you may not look into it", fix=ask_for_right(folder))
    known = [each.domain.claimed for each in register().domains.values() if each.domain.claimed]
    files = list(islice((each for each in folder.rglob("[!.]*") if each.is_file()), LOOKED_AT))
    tables = [each for each in files if each.suffix.lower() in (*EXTENSIONS, *COMPRESSED)]
    if tables:
        here = [each.suffix for each in tables if each.parent == folder]
        common = here or [each.suffix for each in tables]
        pattern = ("*" if here else "**/*") + max(sorted(set(common)), key=common.count)
        fix = f"name a file in it, or all of one kind: '{folder}/{pattern}'"
        why = f"a table is a file; of what is read as a folder nothing is in it: {'; '.join(known)}"
        return DataError(f"'{folder}' is a directory", where=where, why=why, fix=fix)
    endings = sorted({each.suffix or "no ending" for each in files})
    what = f"'{folder}' " + ("holds nothing that is read" if files else "holds folders only" if any(folder.iterdir()) else "is empty")
    why = f"names in it end in {', '.join(endings[:12])}{', …' if len(endings) > 12 else ''}" if files else "there is no file in it"
    seen = "; ".join([f"tables, named as '{folder}/*.csv'", *known])
    return DataError(what, where=where, why=why, fix=f"name a folder that has what is seen: {seen}")


def name_beside(path: Path) -> str:
    """Which file was meant where there is none at `path`, or what there is."""
    folder = path.parent
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    if folder != path.parent:
        return f"the folder '{path.parent}' does not exist either; '{folder}' does"
    names = sorted(each.name for each in folder.iterdir() if not each.name.startswith(".")) if os.access(folder, os.R_OK) else []
    stems = {name.split(".")[0]: name for name in names}  # endings are alike whatever the names, so they do not count
    full = stems.get(nearest(path.name.split(".")[0], stems, ALIKE), "")
    if full:
        return f"did you mean '{folder / full if str(folder) != '.' else full}'?"
    return f"there are: {', '.join(names[:12])}{', …' if len(names) > 12 else ''}" if names else f"the folder '{folder.resolve()}' is empty"
