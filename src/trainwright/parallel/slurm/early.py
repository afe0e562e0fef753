"""The signal of a job that comes before its run has begun: there is nothing to save, and the job comes back all the same."""

from __future__ import annotations

import os
import signal
import sys

REQUEUES = "TRAINWRIGHT_REQUEUES"
"""The variable by which a run knows that the script of its job brings it back when it ends with 75; its value is the early signal."""
INTERRUPTED = 75


def leave_to_come_back() -> None:
    """Until the run itself listens, end this process with 75 on its job's early signal, which would else end it as a failure."""
    number = getattr(signal, f"SIG{os.environ.get(REQUEUES, '')}", None)
    if number is not None:
        signal.signal(number, _leave)


def ignore_once_over() -> None:
    """Let the early signal do nothing from here on: the command is over, and Python ends it as a failure while it takes itself apart."""
    number = getattr(signal, f"SIG{os.environ.get(REQUEUES, '')}", None)
    if number is not None:
        signal.signal(number, signal.SIG_IGN)


def _leave(number: int, frame: object) -> None:
    sys.stderr.write(f"{signal.Signals(number).name}: the run had not begun, or was just over; it goes on when its job begins again\n")
    sys.stderr.flush()
    os._exit(INTERRUPTED)
