"""Work in pieces, done in a thread of its own that yields to training; whoever waits for it does the rest at its own priority."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator

NICENESS = 10
"""A tenth of the weight of other threads: training keeps the cores, and on a busy machine the work still ends."""


class Background:
    """Runs through `pieces` in a daemon thread from the moment it is made; `done`, and then `error` and `seconds`, say how it went.

    Only one thread is at a piece at a time, so a low priority holds up who waits for one piece at most.
    """

    def __init__(self, pieces: Iterator[None], *, hurry: bool = False, rest: float = 0.0) -> None:
        """With `hurry` the first piece is done at the priority of training, which will wait for it. `rest`: seconds of pause after each of
        the others per second of processor time that it took, until somebody waits for the work.
        """
        self.error: BaseException | None = None
        self.done = False
        self._hurry, self._rest, self._awaited = hurry, rest, threading.Event()
        self._pieces, self._lock, self._begun = pieces, threading.Lock(), time.perf_counter()
        self.seconds = 0.0
        threading.Thread(target=self._run, name="trainwright-checkpoint", daemon=True).start()

    def _run(self) -> None:
        if self._hurry:
            self._advance()
        yield_to_others()
        while not self.done:
            worked = time.thread_time()
            self._advance()
            if self._rest:
                self._awaited.wait((time.thread_time() - worked) * self._rest)

    def _advance(self) -> None:
        with self._lock:
            if self.done:
                return
            try:
                next(self._pieces)
                return
            except StopIteration:
                pass
            except BaseException as error:  # noqa: BLE001  (kept for the thread that asks how it went)
                self.error = error
            self.seconds = time.perf_counter() - self._begun
            self.done = True

    def wait(self) -> None:
        """Do what is left of it, and return when it has ended."""
        self._awaited.set()
        while not self.done:
            self._advance()

    def stop(self) -> None:
        """End it after the piece it is at."""
        self._awaited.set()
        with self._lock:
            self.done = True


def yield_to_others() -> None:
    """Lower the priority of the calling thread, for good; nothing where the system has no priorities of threads."""
    if sys.platform == "linux":  # elsewhere it would be the whole process
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        except OSError:
            return
