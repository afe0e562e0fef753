"""The folder that a program writes into: what it made before is removed, what it did not make is left alone."""

from __future__ import annotations

import shutil
from pathlib import Path

MARK = "made-by-a-benchmark.txt"
"""The file that says that all beside it may be removed."""


def make_anew(folder: Path) -> None:
    """Make a folder with nothing in it but the mark; raises SystemExit where it holds what no benchmark made."""
    if folder.exists() and not (folder / MARK).is_file() and not (folder.is_dir() and not any(folder.iterdir())):
        raise SystemExit(f"error: {folder} holds what no benchmark made, and would be removed\n  fix: --folder with one that is not there")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARK).write_text("The next run of the benchmark that made this folder removes it.\n", encoding="utf-8")
