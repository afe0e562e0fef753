"""Processes of tests, forked from one that has imported what they run: a start takes milliseconds, and kills fall on the work."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent
ROOMS = [str(TESTS), *(str(TESTS / name) for name in ("docs", "engine", "faults"))]
IMPORTED = [
    "every_module",
    "hidden_repository",
    "fault_kinds",
    "fault_runs",
    "killed_run",
    "player",
    "standing_server",
    "shared_server",
    "pyarrow",
    "pandas",
    "yaml",
]
_begun: set[int] = set()
"""Process numbers of servers that have imported all this."""


def fork_server() -> Any:
    """The context to start processes with. A server that something else began, without these imports, is left to its own processes."""
    server: Any = forkserver._forkserver  # type: ignore[attr-defined]
    if server._forkserver_pid not in _begun:
        server.__init__()
        _begin(server)
        _begun.add(server._forkserver_pid)
    return multiprocessing.get_context("forkserver")


def _begin(server: Any) -> None:
    """Begin it deaf to USR1, as `trainwright.engine.workers` does."""
    before, mask = os.environ.get("PYTHONPATH"), signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    # before Python 3.11.9 it finds by the environment's path alone, and says nothing of what it did not find
    os.environ["PYTHONPATH"] = os.pathsep.join([*ROOMS, *([before] if before else [])])
    try:
        server.set_forkserver_preload(IMPORTED)
        server.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.environ.update({"PYTHONPATH": before}) if before is not None else os.environ.pop("PYTHONPATH")


def sync_at_once() -> None:
    """A sync of a file returns at once, for the rest of a process: most of a small run would be waiting for the disk."""
    os.fsync = lambda descriptor: os.fstat(descriptor) and None


def write_missing(path: Path) -> None:
    """For its test: write which of the imports a process had yet to make when it began."""
    path.write_text(" ".join(name for name in IMPORTED if name not in sys.modules))
