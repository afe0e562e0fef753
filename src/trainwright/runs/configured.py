"""A run that has its configuration, so that it can be continued, forked or measured."""

from __future__ import annotations

import os

from trainwright.config.errors import RunError
from trainwright.runs.directory import RunDirectory


def with_config(path: str | os.PathLike[str]) -> RunDirectory:
    """The run at `path`; raises RunError when it is none, or has no configuration yet."""
    found = RunDirectory.open(path)
    if not found.config.is_file():
        if found.status == "queued":
            fix = "`trainwright runs --slurm` says what the job does; once it is cancelled, remove the directory, or begin in another"
            why = "its directory was made for a job that is to begin it"
            raise RunError("this run has not begun", where=str(found.path), why=why, fix=fix)
        raise RunError(
            "this run has no config.yaml", where=str(found.path), why="it was interrupted before its first step", fix="start it anew"
        )
    return found
