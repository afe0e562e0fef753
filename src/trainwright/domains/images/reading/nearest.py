"""The path that may have been meant by one that is not there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import PurePosixPath, PureWindowsPath

from trainwright.config.errors import nearest

LOOKED_AT = 20_000
"""Names of a folder among which a name is looked for."""


def with_slashes(path: str) -> str:
    """A path that was written with backslashes, as it is written here."""
    return path if os.sep == "\\" else path.replace("\\", "/")


def nearest_path(path: str, below: Sequence[str] = ()) -> str:
    """The nearest path that is there: case and separators aside, or below its folder, or in a folder of nearly that name; else empty.

    Of a path of another machine: what of its end is in one of the folders `below`, or in the working directory.
    """
    written = with_slashes(path)
    if os.path.exists(written):
        return written
    near = _walk(written)
    return (near if os.path.exists(near) else "") or next((found for folder in [*below, "."] if (found := _end_in(folder, path))), "")


def _walk(path: str) -> str:
    """The path with each of its names replaced by the nearest there is; empty where none is near."""
    pure = PurePosixPath(path) if os.sep == "/" else PureWindowsPath(path)
    parts = list(pure.parts)
    found = parts.pop(0) if pure.is_absolute() else "."
    for name in parts:
        there = os.path.join(found, name)
        if not os.path.lexists(there) and name not in ("..", "."):
            near = _near_name(name, _names_in(found))
            if not near:
                return ""
            there = os.path.join(found, near)
        found = there
    return os.path.normpath(found)


def _near_name(name: str, names: tuple[str, ...]) -> str:
    folded = name.casefold()
    same = [each for each in names if each.casefold() == folded]
    stem = os.path.splitext(folded)[0]
    stems = {os.path.splitext(each.casefold())[0]: each for each in names}
    return next(iter(same), "") or stems.get(stem) or stems.get(nearest(stem, stems, alike=0.8), "")


def _names_in(folder: str) -> tuple[str, ...]:
    try:
        with os.scandir(folder) as entries:
            return tuple(sorted(entry.name for entry, _ in zip(entries, range(LOOKED_AT), strict=False)))
    except OSError:
        return ()


def _end_in(folder: str, path: str) -> str:
    """The longest end of a path that is there in a folder, with the folder; empty where there is none."""
    parts = (PureWindowsPath(path) if "\\" in path or path[1:2] == ":" else PurePosixPath(path)).parts
    places = (os.path.normpath(os.path.join(folder, *parts[first:])) for first in range(1, len(parts)))
    return next((each for each in places if os.path.exists(each)), "")
