"""metrics.csv: one row per logged point, appended and flushed; a new column rewrites the file whole, so it is a table at any moment."""

from __future__ import annotations

import contextlib
import csv
import io
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from trainwright.config.received import read_bytes
from trainwright.files.whole import sweep, whole_file
from trainwright.tracking import CsvOptions
from trainwright.tracking.base import Row

FILE = "metrics.csv"

log = logging.getLogger("trainwright.tracking")


class CsvTracker:
    """Appends rows to metrics.csv; floats are written so that they read back as the same bits."""

    shown_name = FILE

    def __init__(self, options: CsvOptions, folder: Path) -> None:
        self.path = folder / FILE
        self.columns: list[str] = []
        self._rows: list[dict[str, float]] = []
        self._file: io.TextIOWrapper | None = None

    def begin(self, step: int) -> list[dict[str, float]]:
        """Keep the rows up to `step`, drop later ones and a half-written last line; returns those kept."""
        sweep(self.path.parent)  # what a killed process left half-written, also where no run directory is kept
        self._rows = [row for row in read_rows(self.path) if row["step"] <= step] if step else []
        self.columns = columns_of(self._rows)
        if self.path.exists() or self._rows:
            self._rewrite()
        return list(self._rows)

    def log(self, row: Row) -> None:
        """Append a row; raises OSError when the disk refuses: the file is then written whole with the next row."""
        self._rows.append(dict(row))
        new = [name for name in row if name not in self.columns]
        self.columns += new
        if new or self._file is None:
            self._rewrite()
            return
        try:
            self._file.write(text_of([dict(row)], self.columns))
            self._file.flush()
        except OSError:
            self.close()
            raise

    def _rewrite(self) -> None:
        self.close()
        with whole_file(self.path, sync=True) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
            file.write(text_of([dict(zip(self.columns, self.columns, strict=True))], self.columns) if self.columns else "")
            file.write(text_of(self._rows, self.columns))
        self._file = open(self.path, "a", encoding="utf-8", newline="")  # noqa: SIM115

    def sync(self) -> None:
        """Make the rows durable."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            file, self._file = self._file, None
            with contextlib.suppress(OSError):  # what could not be flushed is still among the rows
                file.close()


def text_of(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> str:
    """Rows as CSV lines; an absent value is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for row in rows:
        writer.writerow([row.get(name, "") for name in columns])
    return out.getvalue()


def columns_of(rows: Iterable[Row]) -> list[str]:
    """Every column in the order of its first value."""
    return list(dict.fromkeys(name for row in rows for name in row))


def read_rows(path: Path) -> list[dict[str, float]]:
    """The rows of a metrics.csv, whole lines only; whole numbers come back as int, absent values are left out.

    What follows the first line that is none of ours (a block torn by a power cut) is left out, said in the log. Raises RunError when
    the file may not be read, or a link lies there.
    """
    try:
        content = read_bytes(path, largest=sys.maxsize - 1)
    except FileNotFoundError:
        return []
    whole = content[: content.rfind(b"\n") + 1]
    try:
        text = whole.decode()
    except UnicodeDecodeError as error:
        text = whole[: whole.rfind(b"\n", 0, error.start) + 1].decode()
        log.warning("%s: its end is torn (line %d is no text); the rows before it are kept", path, text.count("\n") + 1)
    rows: list[dict[str, float]] = []
    for row in csv.DictReader(io.StringIO(text)):
        numbers = _numbers(row)
        if numbers is None:
            log.warning("%s: line %d cannot be read; the rows before it are kept", path, len(rows) + 2)
            break
        rows.append(numbers)
    return rows


def _numbers(row: dict[str | Any, str | Any]) -> dict[str, float] | None:
    """The values of a row; None when it is no row of ours: other cells than columns, no step, or a cell that is no number."""
    if None in row or None in row.values():
        return None
    try:
        found = {name: _number(value) for name, value in row.items() if value}
    except ValueError:
        return None
    return found if isinstance(found.get("step"), int) else None


def _number(text: str) -> float:
    return int(text) if text.lstrip("-").isdigit() else float(text)
