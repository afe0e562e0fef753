"""Where in the directory of a run its ranks write what is theirs: a log and an error file each."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from trainwright.parallel.launched import started_here
from trainwright.parallel.start import read_start

RUN = "run"
"""The file in the folder of our own launcher in which rank 0 leaves the directory of the run."""
RESUMED = "resumed"
"""The file there that names the run which an earlier start of these ranks has left, and which they go on with."""
_current: Path | None = None


def log_name(rank: int) -> str:
    """Where in a run rank N logs."""
    return f"logs/rank-{rank}.txt"


def error_name(rank: int, start: int | None = None) -> str:
    """Where in a run rank N writes what ended it; each start of the ranks, this one unless given, has files of its own."""
    number = read_start().number if start is None else start
    return f"logs/rank-{rank}.error.json" if number == 1 else f"logs/rank-{rank}.start-{number}.error.json"


def note_run(path: Path | None, *, tell: bool = False) -> None:
    """Know the directory of the run from here on, None for none; with `tell` the launcher is to know it too."""
    global _current
    _current = path
    if tell and path is not None and (folder := started_here()):
        with suppress(OSError):
            (Path(folder) / RUN).write_text(os.path.abspath(path), encoding="utf-8")


def read_run(folder: Path) -> Path | None:
    """The directory of the run as rank 0 has told it in a launcher's folder; None where it has not."""
    try:
        return Path((folder / RUN).read_text(encoding="utf-8"))
    except OSError:
        return None


def current_run() -> Path | None:
    """The directory of the run that this process takes part in."""
    return _current
