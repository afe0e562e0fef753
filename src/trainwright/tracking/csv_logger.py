"""A CSV file of one's own, a line at a time."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from trainwright.tracking.formulas import escape_formula


class CSVLogger:
    """Appends lines of values to `filename`; `columns` become its first line when the file is new. Every line is on disk at once.

    Values are written as `str` has them; a text with a comma, a quote or a line break is quoted. With `escape_formulas` a text that a
    spreadsheet would run gets a `'` before it. Raises OSError when the disk refuses.
    """

    def __init__(self, filename: str | os.PathLike[str], columns: Iterable[str], *, escape_formulas: bool = False) -> None:
        self.filename, self.columns, self.escape_formulas = Path(filename), list(columns), escape_formulas
        there = self.filename.exists()
        self.file = open(self.filename, "a" if there else "w", encoding="utf-8", newline="")  # noqa: SIM115
        if not there:
            self.write(*self.columns)

    def write(self, *values: Any) -> None:
        """A line of these values, flushed."""
        texts = [str(value) for value in values]
        texts = [escape_formula(text) for text in texts] if self.escape_formulas else texts
        csv.writer(self.file, lineterminator="\n").writerow(texts)
        self.file.flush()

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
