"""The files of the rows of a column: their paths, and which of them are there, without opening any of many."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainwright.domains.images.reading.reference import is_there, say_missing, split_reference
from trainwright.features.places import Folders
from trainwright.files.packed import INNER

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
        return self.folders.path(row, written) if self.root is None else str(self.root / written)

    def paths(self, values: pa.Array, rows: np.ndarray) -> pa.Array:
        """The paths of rows, null where there is none; the array itself where all are absolute."""
        relative = pc.invert(pc.starts_with(values, "/"))
        if os.name == "posix" and not pc.any(relative).as_py():
            return values
        if os.name != "posix" or len(self.folders.folders) != 1:
            texts = values.to_pylist()
            return pa.array(
                [None if text is None else self.path(int(row), text) for row, text in zip(rows, texts, strict=True)], pa.string()
            )
        before = f"{self.root or self.folders.folders[0]}/"
        return pc.if_else(relative, pc.binary_join_element_wise(pa.scalar(before, values.type), values, ""), values)

    def absent(self, paths: pa.Array) -> np.ndarray:
        """Which of some paths name no file (bool, n); nothing is missing where there is no path. Folders are listed, no file is opened."""
        if self.listed:
            return np.zeros(len(paths), bool)
        texts: list[str | None] = paths.to_pylist()
        hashes = np.empty(len(texts), np.int64)
        by_folder: dict[str, list[int]] = {}
        lacking = np.zeros(len(texts), bool)
        for place, text in enumerate(texts):
            if text is None:
                continue
            if "#" in text or INNER in text:
                lacking[place] = not self.has_file(split_reference(text).path)
                continue
            folder, _, name = text.rpartition("/")
            hashes[place] = hash(name)
            by_folder.setdefault(folder, []).append(place)
        for folder, places in by_folder.items():
            lacking[places] = ~np.isin(hashes[places], self.names_in(folder or "/"))
        return lacking

    def say_missing(self, path: str) -> str:
        """Why the file of a path is not there, with the nearest path that is."""
        return say_missing(split_reference(path).path, FileNotFoundError(), below=[str(self.root or each) for each in self.folders.folders])


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
