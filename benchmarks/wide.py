"""A table of 5,000 columns, three of four numbers and the rest words: a dry run, and how it grows from 2,500."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv

COLOURS = np.array(["red", "green", "blue", "black"])


def write(path: Path, rows: int, columns: int, seed: int = 0) -> None:
    """Numbers with four decimals in three columns of four, one of four words in the others, and a target of two classes."""
    random = np.random.default_rng(seed)
    table = {}
    for number in range(columns):
        words = number % 4 == 3
        table[f"c{number}"] = COLOURS[random.integers(0, 4, rows)] if words else random.standard_normal(rows).round(4)
    table["y"] = np.array(["no", "yes"])[random.integers(0, 2, rows)]
    csv.write_csv(pa.table(table), path)


def dry_run(path: Path) -> float:
    """Seconds of `trainwright train FILE --target y --dry-run`, the start of Python among them."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "trainwright", "train", str(path), "--target", "y", "--dry-run"]
    subprocess.run(command, check=True, capture_output=True, cwd=path.parent)
    return time.perf_counter() - start


def main(runs: int = 3) -> None:
    """Print the median of several dry runs at two widths."""
    with tempfile.TemporaryDirectory() as folder:
        for rows in (300, 1000):
            for columns in (2_500, 5_000):
                path = Path(folder) / f"{columns}.csv"
                write(path, rows, columns)
                seconds = statistics.median(dry_run(path) for _ in range(runs))
                print(f"dry run of {rows:,} rows × {columns:,} columns  {seconds:.1f} s{' (bar 15)' if columns == 5_000 else ''}")


if __name__ == "__main__":
    main()
