"""What our own launcher tells the processes that it starts, as torchrun does, and what a process does about it first."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from trainwright.parallel.agent import failure_file
from trainwright.parallel.failures import FILE
from trainwright.parallel.launched import OURS

PARENT_DIES = 1
"""`PR_SET_PDEATHSIG` of Linux."""


def variables_of(rank: int, size: int, folder: Path, port: int, threads: int | None) -> dict[str, str]:
    """The variables of one process; `threads` where the person says nothing of them."""
    said = {
        "RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "GROUP_RANK": 0,
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, OURS: folder, FILE: failure_file(folder, rank),
    }  # fmt: skip
    if threads is not None:
        said["OMP_NUM_THREADS"] = threads
    return {name: str(value) for name, value in said.items()}


def free_port() -> int:
    """A port that nobody uses now, for libraries that ask for MASTER_PORT; our own processes meet in a file."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def end_with_parent(parent: int) -> None:
    """Let the system ask this process to end, and with it save, when the launcher `parent` has died; Linux alone can."""
    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PARENT_DIES, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it died before
        os.kill(os.getpid(), signal.SIGTERM)
