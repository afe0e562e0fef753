"""The files of the rows of a column: their paths, and which of them are there, without opening any of many."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.config.errors import DataError
from trainwright.domains.images.reading.reference import is_there, say_missing, split_reference
from trainwright.features.base import Place, one_array, row_list
from trainwright.features.file import SHOWN
from trainwright.features.places import Folders
from trainwright.features.words import text_array
from trainwright.files.packed import INNER

ADDRESS = "://"
"""What every URL has, and no path."""
HOW_TO_MEND = "correct the paths (columns.{name}.root=FOLDER is where they begin), or columns.{name}.unreadable=skip leaves such rows out"
NEAR = 20
"""Files that are not there for which the nearest that is is looked for."""
FOLDERS = 4096
"""Folders whose names are remembered."""


class RowFiles:
    """Paths of rows, of one source; `root` is where relative ones begin instead of at the folder of their table."""

    def __init__(self, source: Any, column: str, root: str | None = None) -> None:
        self.folders = Folders(source)
        self.root = None if root is None else Path(root).expanduser().absolute()
        self.rows = 0 if source is None else len(source)
        self.listed = column in _listed_columns(source)
        """Whether the source found the files itself, so that they are there."""
        self.names_in = lru_cache(maxsize=FOLDERS)(_hashed_names)
        self.has_file = lru_cache(maxsize=FOLDERS)(is_there)

    def path(self, row: int, written: str) -> str:
        """The path of a row, as it is from here."""
        if ADDRESS in written:
            return written
        return self.folders.path(row, written) if self.root is None else str(self.root / written)

    def paths(self, values: pa.Array, rows: np.ndarray) -> pa.Array:
        """What `full` makes the paths of rows of, null where there is none: what is written, unless rows lie in several folders."""
        if self.base is not None:
            return values
        texts = values.to_pylist()
        return pa.array([None if text is None else self.path(int(row), text) for row, text in zip(rows, texts, strict=True)], pa.string())

    @property
    def base(self) -> str | None:
        """The folder in which all relative paths begin; None where rows lie in several, and paths are whole."""
        if self.root is None and len(self.folders.folders) != 1:
            return None
        return str(self.root or self.folders.folders[0])

    def absent(self, paths: pa.Array) -> np.ndarray:
        """Which of some paths name no file (bool, n); nothing is missing where there is no path. Folders are listed, no file is opened."""
        if self.listed:
            return np.zeros(len(paths), bool)
        base = self.base
        texts = [None if text is None else full_path(text, base) for text in paths.to_pylist()]
        hashes = np.empty(len(texts), np.int64)
        by_folder: dict[str, list[int]] = {}
        lacking = np.zeros(len(texts), bool)
        for place, text in enumerate(texts):
            if text is None:
                continue
            if "#" in text or INNER in text:
                lacking[place] = not self.has_file(split_reference(text).path)
                continue
            folder, name = os.path.split(text)
            hashes[place] = hash(name)
            by_folder.setdefault(folder, []).append(place)
        for folder, places in by_folder.items():
            lacking[places] = ~np.isin(hashes[places], self.names_in(folder))
        return lacking

    def absent_rows(self, column: str, source: Any) -> tuple[np.ndarray, list[str]]:
        """All rows (int64, from 0) of the source of these files whose file is not there, and their paths."""
        rows, paths, start = list[np.ndarray](), list[str](), 0
        for batch in source.batches([column]):
            own = np.arange(start, start + batch.num_rows)
            found = self.paths(text_array(one_array(batch[column]), column), own)
            at = np.flatnonzero(self.absent(found))
            rows.append(own[at])
            paths += found.take(pa.array(at)).to_pylist()
            start += batch.num_rows
        return np.concatenate([np.zeros(0, np.int64), *rows]), paths

    def refusal(self, column: str, source: Any, rows: np.ndarray, paths: list[str], place: Place) -> DataError:
        """What to say of rows whose paths name no file: the first of all such rows of their source, and how many there are."""
        if source is not None:
            every, named = self.absent_rows(column, source)
            rows, paths = (every, named) if len(every) > len(rows) else (rows, paths)
        listed = row_list(rows, place, [f"'{path}' ({self.say_missing(path)})" for path in paths[:SHOWN]], SHOWN, quoted=False)
        files = "a file that is not there" if len(rows) == 1 else f"{len(rows):,} files that are not there"
        return DataError(f"column '{column}' names {files}: {listed}", fix=HOW_TO_MEND.format(name=column))

    def say_missing(self, path: str, near: bool = True) -> str:
        """Why the file of a path is not there, with the nearest path that is where that is to be looked for, which takes its time."""
        below = [str(self.root or each) for each in self.folders.folders]
        return say_missing(split_reference(full_path(path, self.base)).path, FileNotFoundError(), below, near)


def full_path(path: str, base: str | None) -> str:
    """A path as it is from here: one that is not absolute begins at `base`, where all do."""
    return path if base is None or ADDRESS in path else os.path.join(base, path)


def _hashed_names(folder: str) -> np.ndarray:
    """Hashes of the names in a folder, int64: 8 bytes for each of many."""
    try:
        with os.scandir(folder) as entries:
            return np.fromiter((hash(entry.name) for entry in entries), np.int64)
    except OSError:
        return np.empty(0, np.int64)


def _listed_columns(source: Any) -> list[str]:
    """The columns whose files a source, or the one inside, found itself."""
    while source is not None and not hasattr(source, "listed_columns"):
        source = getattr(source, "source", None)
    return [] if source is None else list(source.listed_columns)
