"""Blocks that must not take longer than they say: who waits for the process ends it; where nobody waits, a thread of its own does."""

from __future__ import annotations

import faulthandler
import itertools
import json
import math
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from trainwright.config.errors import ConfigError, TrainwrightError
from trainwright.parallel.failures import Failure, Told
from trainwright.parallel.launched import read_launch, started_here

ASKS = getattr(signal, "SIGRTMIN", 0) + 7 if hasattr(signal, "SIGRTMIN") else 0
"""The signal at which a process writes down where it is, whatever its interpreter does; 0 where the system has none to spare."""
LOOK = 0.1
"""Seconds between two looks of the process that waits."""
ANSWER = 0.5
"""Seconds in which a process writes down where it is."""
FIX = "raise after=… of the block, or look at what it waits for; with launch.restarts all ranks begin again"


@contextmanager
def expires(after: float, name: str = "") -> Iterator[None]:
    """End this process if the block takes longer than `after` seconds; `name` says in the error which block it was.

    The process that waits for the ranks of a run ends this one, so that code that holds the interpreter is caught too, and with
    `launch.restarts` all ranks begin again; elsewhere a thread ends it, with exit code 1. Blocks may be nested and repeated, in any
    thread. Raises ConfigError for a time that is none.
    """
    if isinstance(after, bool) or not isinstance(after, int | float) or not 0 < after < math.inf:
        raise ConfigError(f"after={after!r} is no time", where="expires", fix="give seconds above 0: with tw.expires(after=60):")
    place = _timers.begin(Timer(time.monotonic() + after, float(after), name or "a block with tw.expires"))
    try:
        yield
    finally:
        _timers.end(place)


@dataclass(frozen=True)
class Timer:
    """A block that is under way."""

    until: float
    """By the clock of the system that counts on, which is the same in all its processes."""
    after: float
    name: str


class Timers:
    """The blocks of this process that are under way, as whoever ends it is told."""

    def __init__(self) -> None:
        self._open: dict[int, Timer] = {}
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._told: tuple[str, int] = "", -1
        """The folder of the launcher that was told, and the open file."""
        self._watching = False

    def begin(self, timer: Timer) -> int:
        """A block begins; its number."""
        with self._changed:
            place = next(self._numbers)
            self._open[place] = timer
            self._tell()
        return place

    def end(self, place: int) -> None:
        """A block has ended."""
        with self._changed:
            self._open.pop(place, None)
            self._tell()

    def after_fork(self) -> None:
        """In a forked process, whose parent has the blocks."""
        self.__init__()  # type: ignore[misc]

    def _tell(self) -> None:
        folder = started_here()
        if folder and os.name == "posix":
            self._write(folder)
        elif not self._watching and self._open:
            self._watching = True
            threading.Thread(target=self._watch, name="expires", daemon=True).start()
        else:
            self._changed.notify()

    def _write(self, folder: str) -> None:
        if self._told[0] != folder:
            rank = read_launch().rank
            self._told = folder, os.open(timer_file(Path(folder), rank), os.O_RDWR | os.O_CREAT, 0o600)
            if ASKS:
                stack: IO[str] = stack_file(Path(folder), rank).open("w")
                faulthandler.register(ASKS, file=stack, all_threads=True)
        first = min(self._open.values(), key=lambda each: each.until, default=None)
        text = b"" if first is None else json.dumps([first.until, first.after, first.name]).encode() + b"\n"
        os.pwrite(self._told[1], text, 0)
        os.ftruncate(self._told[1], len(text))

    def _watch(self) -> None:
        """The thread where nobody waits for this process."""
        with self._changed:
            while True:
                first = min(self._open.values(), key=lambda each: each.until, default=None)
                if first is not None and time.monotonic() >= first.until:
                    break
                self._changed.wait(None if first is None else first.until - time.monotonic())
        stack = "".join(traceback.format_stack(sys._current_frames()[threading.main_thread().ident or 0]))
        end_process(_overstayed(first, stack).as_error(), stack)


_timers = Timers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_timers.after_fork)


def end_process(error: TrainwrightError, stack: str = "") -> None:
    """End this process at once, for an error that its main thread cannot raise; it is written down as any other."""
    from trainwright.parallel.recording import record_failure

    with suppress(Exception):
        record_failure(error, stack)
    if not started_here():
        with suppress(OSError):
            os.write(2, f"\n{stack}\nerror: {error}\n".encode())
    os._exit(error.exit_code)


def timer_file(folder: Path, rank: int) -> Path:
    """Where in the launcher's folder a rank tells the block that is over first."""
    return folder / f"timer-{rank}"


def stack_file(folder: Path, rank: int) -> Path:
    """Where in the launcher's folder a rank writes down where it is."""
    return folder / f"stack-{rank}"


class TimerWatch:
    """In the process that waits: which of its ranks overstay."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._looked_at = folder, 0.0

    def overstaying(self, ranks: dict[int, int]) -> dict[int, Failure]:
        """Rank → why it is to be ended, of the given ranks (rank → process)."""
        now = time.monotonic()
        if now - self._looked_at < LOOK:
            return {}
        self._looked_at = now
        late = {rank: timer for rank in ranks if (timer := self._read(rank)) is not None and now >= timer.until}
        return {rank: self._explain(rank, ranks[rank], timer) for rank, timer in late.items()}

    def _read(self, rank: int) -> Timer | None:
        try:
            text = timer_file(self._folder, rank).read_text()
            return Timer(*json.loads(text)) if text.endswith("\n") else None
        except (OSError, ValueError, TypeError):
            return None

    def _explain(self, rank: int, pid: int, timer: Timer) -> Failure:
        stack = self._ask(rank, pid)
        return Failure(rank, (_overstayed(timer, stack),), traceback=stack)

    def _ask(self, rank: int, pid: int) -> str:
        """The stacks of a process, written by its own handler of a signal, which needs no interpreter; empty where it does not answer."""
        place = stack_file(self._folder, rank)
        if not ASKS or not place.is_file():
            return ""
        with suppress(OSError):
            os.kill(pid, ASKS)
        ends, before = time.monotonic() + ANSWER, -1
        while time.monotonic() < ends:
            time.sleep(LOOK / 2)
            size = place.stat().st_size
            if size and size == before:
                break
            before = size
        return place.read_text(errors="replace")


def _overstayed(timer: Timer, stack: str) -> Told:
    place = _innermost(stack)
    return Told(f"{timer.name} took longer than {timer.after:g} s", why=f"it was at {place}" if place else "", fix=FIX)


def _innermost(stack: str) -> str:
    """The line of Python at which a stack is: of the thread that answered, innermost first, or of one thread, innermost last."""
    _, answered, rest = stack.partition("Current thread")
    lines = [line.strip() for line in (rest or stack).splitlines() if line.strip().startswith("File ")]
    return "" if not lines else lines[0] if answered else lines[-1]
