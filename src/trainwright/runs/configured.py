"""A run that has its configuration, so that it can be continued, forked or measured."""

from __future__ import annotations

import os

from trainwright.config.errors import RunError
from trainwright.runs.directory import RunDirectory


def with_config(path: str | os.PathLike[str]) -> RunDirectory:
    """The run at `path`; raises RunError when it is none, or has no configuration yet."""
    found = RunDirectory.open(path)
    if not found.config.is_file():
        raise RunError(
            "this run has no config.yaml", where=str(found.path), why="it was interrupted before its first step", fix="start it anew"
        )
    return found
