"""Where a run is to lie: looked at before the data are read, and left as it was by a request that is refused."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from trainwright.config.errors import RunError
from trainwright.runs.directory import RunDirectory, folder_name, is_awaited, refuse_inside
from trainwright.systems.run_config import Config


def refuse_taken(config: Config, python: bool = False, *, again: str = "add --resume") -> None:
    """Raises RunError when the directory asked for is taken, lies in another run or cannot be written, before the data are read.

    `again`: what would go on with the run that is there; empty for a command that cannot.
    """
    if config.run.dir and is_awaited(Path(config.run.dir)):
        return
    there = Path(config.run.dir or "runs")
    there_is = next((each for each in (there, *there.absolute().parents) if os.path.exists(each)), there)
    other = f"choose another place with {'run_dir=DIR' if python else 'run.dir=DIR'}"
    refuse_inside(there if config.run.dir else there / folder_name(config.run.name) / "run", python)
    if not there_is.is_dir():
        raise RunError(f"'{there_is.name}' is a file, so it cannot hold a run", where=str(there), fix=other)
    if config.run.dir and there.exists() and any(there.iterdir()):
        again = "give resume=True" if python else again
        raise RunError("this place is taken", where=config.run.dir, fix=f"{again} to continue it, or {other}" if again else other)
    if not os.access(there_is, os.W_OK | os.X_OK):
        raise RunError("this place cannot be written", where=str(there), why=f"no permission in '{there_is}'", fix=other)


def absent_folders(name: str) -> list[Path]:
    """The folders around a run of that name that are not there yet, so that they can be removed again; the innermost first."""
    return [folder for folder in (Path("runs") / folder_name(name), Path("runs")) if not folder.exists()]


def remove_unbegun(run: RunDirectory, absent: Sequence[Path]) -> None:
    """Remove the directory of a run that was refused before its first step, and the folders above it that were made for it."""
    if run.resumed:
        return
    shutil.rmtree(run.path, ignore_errors=True)
    for folder in absent:
        with contextlib.suppress(OSError):
            folder.rmdir()
