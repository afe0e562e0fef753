"""Which runs are of a system of one's own. Imports no torch."""

from __future__ import annotations

from trainwright.config.reading import read_yaml
from trainwright.runs.directory import RunDirectory


def is_own_run(found: RunDirectory) -> bool:
    """Whether a run is one of a system of one's own that a configuration described."""
    if not found.config.is_file():
        return False
    read = read_yaml(found.config).plain()
    return isinstance(read, dict) and "system" in read
