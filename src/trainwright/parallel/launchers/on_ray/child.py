"""The process of a rank on Ray, from its first line: it hears signals, and ends when the worker that started it has ended."""

from __future__ import annotations

import os
import pickle
import select
import signal
import threading
from contextlib import suppress
from pathlib import Path

from trainwright.parallel.launched import read_launch

CALL = "call"
"""The file in the launcher's folder that has the pickled call."""
LISTENED = {getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP") if hasattr(signal, name)}


def begin(parent: int) -> None:
    """Take the first steps of a rank whose worker is the process `parent`."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, LISTENED)  # Ray's own processes are deaf to INT, and what they start is too
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        watched = os.pidfd_open(parent)
    except (OSError, AttributeError):
        watched = None
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    if watched is not None:
        threading.Thread(target=_die_with, args=(watched,), name="worker", daemon=True).start()


def _die_with(watched: int) -> None:
    """End at once when the worker has: Ray starts the run again elsewhere, and two must not write it."""
    with suppress(OSError):
        waiting = select.poll()
        waiting.register(watched, select.POLLIN)
        waiting.poll()
    os.kill(os.getpid(), signal.SIGKILL)


def do_call(folder: str) -> None:
    """Do the pickled call that lies in `folder`, as the rank that the environment names."""
    from trainwright.parallel.programs import Place, be_rank

    work = pickle.loads((Path(folder) / CALL).read_bytes())
    said = os.environ.get("OMP_NUM_THREADS", "")
    threads = int(said) if said.isdigit() else None
    be_rank(Place(int(os.environ["RANK"]), read_launch().size, Path(folder), os.getppid(), {}, None, threads), work)
