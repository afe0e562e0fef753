"""INT, TERM and USR1 set a flag, and end a wait for data; the run is saved at the next step boundary. A second signal leaves at once."""

from __future__ import annotations

import _thread
import mmap
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Self

from trainwright.config.errors import DataError
from trainwright.parallel.slurm.early import REQUEUES
from trainwright.parallel.world import World

LISTENED = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]
"""USR1 is what Slurm sends before the time is over (`--signal=USR1@120`): save, and ask to be started again."""
UNLESS_TAKEN = [getattr(signal, name) for name in ("SIGHUP", "SIGXCPU") if hasattr(signal, name)]
"""Heard where they would end the process: the terminal went away (`nohup` ignores that), the time of the CPU is used up."""

GRACE = 1.0
"""Seconds that a wait for data may go on after a signal: a batch that is about to come is waited for."""


def requeue() -> str:
    """Ask Slurm to start this job again; what came of it, in a few words; nothing where this is no job, or its script asks by itself."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None or os.environ.get(REQUEUES):
        return ""
    if os.environ.get("SLURM_ARRAY_JOB_ID") and os.environ.get("SLURM_ARRAY_TASK_ID"):
        job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    program = shutil.which("scontrol")
    if program is None:
        return f"; job {job} is not requeued: scontrol is not there"
    done = subprocess.run([program, "requeue", job], capture_output=True, text=True, check=False)
    return f"; job {job} is requeued" if done.returncode == 0 else f"; job {job} is not requeued: {done.stderr.strip()}"


class Waited(BaseException):
    """A signal came while the run waited for data; raised where it waits. No Exception, so that a dataset's `except` lets it through."""


class WaitedTooLong(BaseException):
    """Data did not come within `trainer.loader.timeout`; raised where they are waited for."""


class Waits:
    """Says when the main thread waits for data: `with waits: …`. Only there may a signal or a limit of time end what it does."""

    def __init__(self, limit: float | None = None) -> None:
        self.limit, self.depth, self.since = limit, 0, 0.0
        """`limit`: seconds; None waits for ever. `since`: of `time.monotonic`, when the wait began."""

    def __enter__(self) -> Self:
        self.since = time.monotonic()
        self.depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.depth = max(self.depth - 1, 0)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """In a wait, do something that is not to be torn."""
        depth, self.depth = self.depth, 0
        try:
            yield
        finally:
            self.depth = depth

    def over(self, asked: float | None) -> type[BaseException] | None:
        """What is to end the wait now: a signal that came at `asked` (None: none did), or the limit."""
        now = time.monotonic()
        if not self.depth:
            return None
        if asked is not None:
            return Waited if now - max(self.since, asked) >= GRACE else None
        return WaitedTooLong if self.limit is not None and now - self.since >= self.limit else None


class Interrupts:
    """Listens for signals while in a `with` block; `requested` is the signal's number once one came.

    A step under way is finished. A wait for data is ended, once it has gone on for a second more: a thread looks at the wait and sends
    the main thread a signal, whose handler raises Waited in it.
    """

    def __init__(self, limit: float | None = None, world: World | None = None, *, saves: bool = True) -> None:
        """`limit`: seconds that a wait for data may take. `world`: the processes that act on a signal together. `saves`: whether the run
        is saved then, as is told whoever sent it.
        """
        self.what = "saving" if saves else "stopping"
        self.requested = 0
        """The signal that the run acts on: the one heard, or, of several processes, the one that they agreed on."""
        self.heard = 0
        """The signal that came to this process."""
        self.heard_by = 0
        """The rank that heard the signal which the run acts on."""
        self.world = world or World()
        self.waits = Waits(limit)
        self._before: dict[int, Any] = {}
        self._asked: float | None = None
        self._ends: type[BaseException] | None = None
        self._lock, self._watching, self._over = threading.Lock(), False, False
        self._process = os.getpid()
        self._left = mmap.mmap(-1, 1)
        """Memory that forked processes see too: 1 once the run is over."""

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in LISTENED:
                self._before[number] = signal.signal(number, self._heard)
            for number in UNLESS_TAKEN:
                if signal.getsignal(number) == signal.SIG_DFL:
                    self._before[number] = signal.signal(number, self._heard)
            if self.waits.limit is not None:
                self._watch()
        return self

    def __exit__(self, *_: object) -> None:
        self._left[0] = 1
        with self._lock:
            self._over = True
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
        self.heard = int(number)
        if self.world.size == 1:
            self.requested = self.heard

    def agree(self, heard: list[int]) -> None:
        """Take in what each process heard: the first of them that heard any signal decides which it is."""
        first = next((rank for rank, number in enumerate(heard) if number), None)
        if not self.requested and first is not None:
            self.requested, self.heard_by = heard[first], first

    def agree_now(self) -> None:
        """Act on a signal that any process has heard until now; all of them call it at the same place. One alone acts as it hears."""
        if self.world.size > 1:
            self.agree(self.world.gather(self.heard))

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            self._heard_by_child(number)
        elif self._ends is not None:
            self._end_wait()
        elif not self.heard:
            self.request(number)
            if self.requested:  # of several processes none may end a wait, and leave the others waiting for its step
                self._asked = time.monotonic()
            again = "" if number in UNLESS_TAKEN else "; once more leaves at once"
            if self.world.is_main:
                with suppress(OSError):  # the terminal may be gone; os.write, since a signal may come while a print is under way
                    os.write(2, f"\n{signal.Signals(number).name}: {self.what} at the end of this step{again}\n".encode())
            self._watch()
        elif number not in UNLESS_TAKEN:  # the shell and the system both send HUP, and XCPU comes every second
            self._leave_at_once(number)

    def _end_wait(self) -> None:
        """Raise in the main thread what its wait is to end with, if it still waits."""
        ends, self._ends = self._ends, None
        if self.waits.depth and ends is not None:
            self.waits.depth = 0
            raise ends

    def _leave_at_once(self, number: int) -> None:
        if number == signal.SIGINT and (hasattr(sys, "ps1") or "ipykernel" in sys.modules):
            raise KeyboardInterrupt  # leaving at once must not end the person's session
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _heard_by_child(self, number: int) -> None:
        """In a process that a dataset forked: a signal to the whole group is for the main one, until that has left."""
        if number == signal.SIGTERM and self._left[0]:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def _watch(self) -> None:
        if not self._watching and hasattr(signal, "pthread_kill"):
            self._watching = True
            # no threading.Thread: this is called by a signal's handler, which may have interrupted the start of another
            _thread.start_new_thread(self._end_waits, (threading.main_thread().ident or 0,))

    def _end_waits(self, main: int) -> None:
        pause = min(GRACE, self.waits.limit or GRACE) / 4
        while True:
            time.sleep(pause)
            with self._lock:
                if self._over:
                    return
                ends = self.waits.over(self._asked)
                if ends is not None:
                    self._ends = ends
                    signal.pthread_kill(main, signal.SIGTERM)


def too_late(name: str, number: int, rows: list[int], limit: float | None, who: str = "the main process") -> DataError:
    """The error that names the rows of a batch that did not come in time."""
    listed = ", ".join(map(str, rows[:64])) + (f", … ({len(rows)} in all)" if len(rows) > 64 else "")
    fix = "raise trainer.loader.timeout, or leave out the row among these at which the dataset hangs"
    where, why = f"{name} batch {number}", f"{who} still read rows {listed}"
    return DataError(f"a batch did not come within {limit or 0:g} s", where=where, why=why, fix=fix)
