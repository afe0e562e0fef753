"""INT, TERM and USR1 only set a flag; the run is saved at the next step boundary. A second signal leaves at once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from types import FrameType
from typing import Any, Self

LISTENED = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]
"""USR1 is what Slurm sends before the time is over (`--signal=USR1@120`): save, and ask to be started again."""


def requeue() -> str:
    """Ask Slurm to start this job again; what came of it, in a few words; nothing when this is no job of Slurm's."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        return ""
    if os.environ.get("SLURM_ARRAY_JOB_ID") and os.environ.get("SLURM_ARRAY_TASK_ID"):
        job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    program = shutil.which("scontrol")
    if program is None:
        return f"; job {job} is not requeued: scontrol is not there"
    done = subprocess.run([program, "requeue", job], capture_output=True, text=True, check=False)
    return f"; job {job} is requeued" if done.returncode == 0 else f"; job {job} is not requeued: {done.stderr.strip()}"


class Interrupts:
    """Listens for signals while in a `with` block; `requested` is the signal's number once one came."""

    def __init__(self) -> None:
        self.requested = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in LISTENED:
                self._before[number] = signal.signal(number, self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        self._before = {}

    @property
    def name(self) -> str:
        """The name of the signal, as a person knows it."""
        return signal.Signals(self.requested).name if self.requested else ""

    @property
    def requeues(self) -> bool:
        """Whether the signal means that the run should be started again."""
        return self.requested == getattr(signal, "SIGUSR1", None)

    def request(self, number: int = signal.SIGINT) -> None:
        """Ask for the same as the signal would."""
        self.requested = int(number)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if not self.requested:
            self.requested = number
            # os.write, since a signal may come while a print is under way
            os.write(2, f"\n{signal.Signals(number).name}: saving at the end of this step; once more leaves at once\n".encode())
            return
        if number == signal.SIGINT and (hasattr(sys, "ps1") or "ipykernel" in sys.modules):
            raise KeyboardInterrupt  # leaving at once must not end the person's session
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
