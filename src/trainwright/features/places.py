"""In which folder the file of a row lies, so that paths in a table are read relative to it."""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path
from typing import Any

import numpy as np


class Folders:
    """The folder of each row of a source: that of its file, and the working directory for rows that are in no file."""

    def __init__(self, source: Any) -> None:
        self.starts, self.folders = [], []
        for start, folder in _folders(source):
            self.starts.append(start)
            self.folders.append(folder)

    def path(self, row: int, written: str) -> str:
        """The path that is written in a row, as it is from here."""
        return str(self.folders[bisect_right(self.starts, row) - 1] / written)


def _folders(source: Any, offset: int = 0) -> list[tuple[int, Path]]:
    """(first row, folder) of each file, in the order of the rows; of a source with a `root` that; of sources that wrap others, theirs."""
    if (root := getattr(source, "root", None)) is not None:
        return [(offset, Path(root))]
    if hasattr(source, "parts"):
        starts = [offset + int(each) for each in source.starts]
        return [found for part, start in zip(source.parts, starts, strict=False) for found in _folders(part, start)]
    inner = getattr(source, "source", None)
    if inner is not None and not isinstance(inner, str):
        found = _folders(inner)
        kept = getattr(source, "kept", None)  # the numbers of the rows that `data.where` leaves
        return [(offset + (start if kept is None else int(np.searchsorted(kept, start))), folder) for start, folder in found]
    files = list(getattr(source, "files", None) or [])
    counts = list(getattr(source, "rows_by_file", None) or [0] * len(files))
    found, start = [], offset
    packed = getattr(source, "packed", None)
    for file, count in zip(files, counts, strict=True):
        folder = Path(file).absolute().parent
        found.append((start, folder if packed is None else packed.place(folder)))
        start += count
    return found or [(offset, Path.cwd())]
