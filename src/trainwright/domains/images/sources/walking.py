"""The pictures below a folder: found without looking at a single file, and held in one Arrow buffer."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from trainwright.config.errors import DataError
from trainwright.config.received import ask_for_right
from trainwright.domains.images.sources.endings import LITTER, PICTURES, TABLES

SHOWN = 5
"""Names that are shown of several."""


class Pictures(NamedTuple):
    """Those that lie in one folder."""

    folder: str
    """Below the folder that was named, with `/` between its parts; empty for that itself."""
    paths: pa.Array
    """Below the folder that was named, in the order of code points."""

    @property
    def parts(self) -> tuple[str, ...]:
        """The folders that lead here."""
        return tuple(self.folder.split("/")) if self.folder else ()


@dataclass
class Found:
    """What lies below a folder."""

    root: Path
    pictures: list[Pictures] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    """Folders in which, and below which, there is no picture."""
    tables: list[str] = field(default_factory=list)
    """Tables beside the pictures."""
    ignored: int = 0
    """Hidden files and folders, and what systems write."""
    others: Counter[str] = field(default_factory=Counter)
    """How other files end, and how many do."""

    @property
    def first(self) -> list[str]:
        """What lies in the folder itself, whatever it is, in the order of the names."""
        return sorted(os.listdir(self.root))

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return sum(len(each.paths) for each in self.pictures)

    def below(self, *folders: str) -> list[Pictures]:
        """Those in some of the folders of the first level, or below."""
        return [each for each in self.pictures if each.parts[:1] and each.parts[0] in folders]


def find_pictures(root: Path) -> Found:
    """All below a folder, folders in the order of their names. Raises DataError for one that cannot be listed, or is no UTF-8."""
    found = Found(root)
    _walk(found, str(root), "", frozenset({os.path.realpath(root)}))
    return found


def _walk(found: Found, place: str, folder: str, above: frozenset[str]) -> int:
    """Add what lies in a folder and below it; how many pictures that were."""
    names, folders = _list(found, place, folder)
    count = len(names)
    if names:
        names.sort()
        found.pictures.append(Pictures(folder, _paths(folder, names, place)))
    del names  # of a million names only the buffer is kept
    for name in sorted(folders):
        below = os.path.join(place, name)
        real = os.path.realpath(below) if os.path.islink(below) else below
        if real in above:  # a link to a folder that it lies in
            continue
        count += _walk(found, below, f"{folder}/{name}" if folder else name, above | {os.path.realpath(below)})
    if not count and folder:
        found.empty.append(folder)
    return count


def _list(found: Found, place: str, folder: str) -> tuple[list[str], list[str]]:
    """The names of pictures and of folders in a folder; what else lies there is counted."""
    names, folders = list[str](), list[str]()
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                name = entry.name
                lower = name.lower()
                if name[0] == "." or lower in LITTER:
                    found.ignored += 1
                elif entry.is_dir():
                    folders.append(name)
                elif lower.endswith(PICTURES):
                    names.append(name)
                else:
                    _count_other(found, folder, name, lower)
    except OSError as error:
        why = error.strerror or str(error)
        raise DataError(f"'{place}' cannot be read", where="data.source", why=why, fix=ask_for_right(Path(place))) from error
    return names, folders


def _count_other(found: Found, folder: str, name: str, lower: str) -> None:
    if lower.endswith(TABLES):
        found.tables.append(f"{folder}/{name}" if folder else name)
    else:
        found.others[os.path.splitext(lower)[1]] += 1


def _paths(folder: str, names: list[str], place: str) -> pa.Array:
    try:
        found = pa.array(names, pa.string())
        return pc.binary_join_element_wise(f"{folder}/", found, "") if folder else found
    except UnicodeEncodeError:
        wrong = next(each for each in names if not each.isprintable() or "\udc80" <= max(each) <= "\udcff")
        what = f"the name of a file in '{place}' is no UTF-8: {wrong!a}"
        raise DataError(what, where="data.source", fix="rename it") from None


def list_names(names: Iterable[str], shown: int = SHOWN) -> str:
    """`'a', 'b', … (12 in all)`."""
    every = list(names)
    return ", ".join(f"'{each}'" for each in every[:shown]) + (f", … ({len(every):,} in all)" if len(every) > shown else "")
