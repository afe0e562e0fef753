"""Commands that have nothing to do with each other, some at a time: each has a share of the processors, and prints into a file."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from trainwright.config.errors import EXIT_INTERRUPTED, EXIT_REQUEST
from trainwright.parallel.agent import Child
from trainwright.parallel.commands import Begin, begin_process
from trainwright.parallel.signals import Signals

LOOK = 0.02
"""Seconds between two looks at the processes."""


@dataclass(frozen=True)
class Job:
    """One command: its words, and the file to which is added what it prints."""

    words: tuple[str, ...]
    printed: Path


@dataclass
class Pool:
    """Runs jobs, at most so many at a time."""

    jobs: Sequence[Job]
    most: int
    began: Callable[[int], None]
    """Told which job begins."""
    ended: Callable[[int, int, float], None]
    """Told which job ended, with what code, after how many seconds."""
    threads: int
    """Of each process, unless OMP_NUM_THREADS says it."""
    begin: Begin = begin_process
    """How a process begins."""
    codes: dict[int, int] = field(default_factory=dict)
    _running: dict[int, tuple[Child, float]] = field(default_factory=dict)
    signals: Signals = field(default_factory=Signals)
    """Those that came, perhaps before it runs."""

    def run(self) -> int:
        """Return when all have ended: 0, 75 after a signal, which all are passed and no further begins, 1 where some failed.

        2 where all that ended were refused: no further begins then, since the next would be too.
        """
        waiting = list(range(len(self.jobs)))
        try:
            with self.signals.listening(), self.signals.hand_to(self._hand_on):
                while self._running or (waiting and not self._stopped):
                    while waiting and len(self._running) < self.most and not self._stopped:
                        self._begin(waiting.pop(0))
                    time.sleep(LOOK)
                    self._look()
        finally:
            self._hand_on(signal.SIGKILL)
        if self.signals.came:
            return EXIT_INTERRUPTED
        if self._all_refused:
            return EXIT_REQUEST
        found = set(self.codes.values()) - {0}
        return EXIT_INTERRUPTED if EXIT_INTERRUPTED in found else int(bool(found))

    @property
    def _all_refused(self) -> bool:
        return bool(self.codes) and set(self.codes.values()) == {EXIT_REQUEST}

    @property
    def _stopped(self) -> bool:
        return bool(self.signals.came) or self._all_refused

    def _begin(self, number: int) -> None:
        job = self.jobs[number]
        share = {} if os.environ.get("OMP_NUM_THREADS") else {"OMP_NUM_THREADS": str(self.threads)}
        with job.printed.open("ab") as printed:
            started = self.begin(job.words, share, printed.fileno())
        self._running[number] = started, time.monotonic()
        self.began(number)

    def _look(self) -> None:
        for number, (process, since) in list(self._running.items()):
            if (code := process.poll()) is not None:
                del self._running[number]
                self.codes[number] = code
                self.ended(number, code, time.monotonic() - since)

    def _hand_on(self, number: int) -> None:
        for process, _ in self._running.values():
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)
