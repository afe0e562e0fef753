"""What our own launcher tells the processes that it starts, as torchrun does, and what a process does about it first."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path

from trainwright.parallel.agent import failure_file
from trainwright.parallel.failures import FILE
from trainwright.parallel.launched import OURS

PARENT_DIES = 1
"""`PR_SET_PDEATHSIG` of Linux."""


def variables_of(
    rank: int, size: int, folder: Path, port: int, threads: int | None, local: tuple[int, int] | None = None
) -> dict[str, str]:
    """The variables of one process; `threads` where the person says nothing of them. `local`: its rank among how many that are started
    together, where these are not all.
    """
    place, here = local or (rank, size)
    said = {
        "RANK": rank, "LOCAL_RANK": place, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": here, "GROUP_RANK": 0,
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
    """Let this process be asked to end, once, and with it save, when the launcher `parent` has died; Linux alone can."""
    if sys.platform != "linux":
        return
    try:
        watched = os.pidfd_open(parent)
    except OSError:  # it died before, or the system is an old one
        watched = None
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
    elif watched is None:
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PARENT_DIES, signal.SIGTERM, 0, 0, 0)
    else:
        # The system's own message comes once for each thread that the parent had, and a second signal leaves without saving.
        threading.Thread(target=_ask_when_over, args=(watched,), name="launcher", daemon=True).start()


def _ask_when_over(watched: int) -> None:
    """Wait for the end of a process, and send this one SIGTERM."""
    with suppress(OSError):
        waiting = select.poll()
        waiting.register(watched, select.POLLIN)
        waiting.poll()
        os.kill(os.getpid(), signal.SIGTERM)
