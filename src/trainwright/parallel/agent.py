"""The processes of one machine, watched by the one that started them: signals passed on, the rest ended when one fails, the first cause."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from trainwright.parallel.failures import Failure, Told, first_cause, read_failure, with_rank
from trainwright.parallel.rank_output import RankOutput, wait_for_output

PASSED_ON = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP") if hasattr(signal, name)]
LOOK = 0.05
"""Seconds between two looks at the processes."""
GRACE = 15.0
"""Seconds that the others have to end by themselves once one has failed: most of them meet the same, or miss it at once."""
SAVED_GRACE = 120.0
"""The same where it has saved and left: the others may still be writing."""
KILL = 10.0
"""Seconds from SIGTERM to SIGKILL."""
INTERRUPTED = 75


class Child(Protocol):
    """A process of the run; `subprocess.Popen` is one."""

    pid: int

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""


def failure_file(folder: Path, rank: int) -> Path:
    """Where in the launcher's folder a rank writes what ended it."""
    return folder / f"rank-{rank}.json"


@dataclass
class Ending:
    """How the processes ended."""

    code: int
    """What the shell is given: 0, 1, 2, 75; 128 and its number for a signal that was passed on."""
    failure: Failure | None
    """The first cause, as it is told."""
    failures: list[Failure] = field(default_factory=list)


class Agent:
    """Waits for the processes of a run on this machine."""

    def __init__(self, children: Sequence[Child], folder: Path, outputs: Sequence[RankOutput] = ()) -> None:
        """`folder`: where the ranks write what ended them. `outputs`: what some of them print."""
        self.children, self.folder, self.outputs = list(children), folder, list(outputs)
        self.ended: dict[int, tuple[int, float]] = {}
        """Rank → exit code, and when it was seen."""
        self.signals: list[int] = []
        """Those that came and were passed on."""
        self._asked: dict[int, float] = {}
        self._killed: set[int] = set()

    def wait(self) -> Ending:
        """Return when all processes have ended. A failure of one ends the others after a short grace."""
        with self._passing_on():
            while len(self.ended) < len(self.children):
                wait_for_output(self.outputs, LOOK)
                self._look()
                self._end_the_rest()
        for each in self.outputs:
            each.close()
        return self._ending()

    def stop(self) -> None:
        """End all processes at once."""
        for rank, child in enumerate(self.children):
            if rank not in self.ended:
                _send(child, signal.SIGKILL)

    @contextmanager
    def _passing_on(self) -> Iterator[None]:
        """Signals of this process go to all that it started; they have a group of their own, so that none hears a terminal's twice."""
        before: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            before = {number: signal.signal(number, self._heard) for number in PASSED_ON if not _is_ignored(number)}
        try:
            yield
        except BaseException:
            self.stop()
            raise
        finally:
            for number, handler in before.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def _heard(self, number: int, frame: object) -> None:
        self.signals.append(number)
        for rank, child in enumerate(self.children):
            if rank not in self.ended:
                _send(child, number)

    def _look(self) -> None:
        for rank, child in enumerate(self.children):
            if rank not in self.ended and (code := child.poll()) is not None:
                self.ended[rank] = (code, time.time())

    def _end_the_rest(self) -> None:
        """Ask those that still run to end once another has failed a while ago, and end them a while later."""
        failed = [(moment, code) for code, moment in self.ended.values() if code]
        if not failed or len(self.ended) == len(self.children):
            return
        moment, _ = min(failed)
        grace = SAVED_GRACE if all(code == INTERRUPTED for _, code in failed) else GRACE
        now = time.time()
        for rank, child in enumerate(self.children):
            if rank in self.ended or now - moment < grace:
                continue
            if rank not in self._asked:
                self._asked[rank] = now
                _send(child, signal.SIGTERM)
            elif now - self._asked[rank] >= KILL and rank not in self._killed:
                self._killed.add(rank)
                _send(child, signal.SIGKILL)

    def _ending(self) -> Ending:
        failures = [each for rank in range(len(self.children)) if (each := self._failure_of(rank)) is not None]
        if failures and all(each.consequence for each in failures):
            failures += [self._explain_leaving(rank) for rank, (code, _) in self.ended.items() if code == 0]
        first = first_cause(failures)
        if first is None:
            return Ending(0, None)
        if first.exit_code > 128 or (self.signals and first.exit_code == 130):  # a person ended it, and knows
            return Ending(first.exit_code, None, failures)
        return Ending(first.exit_code, with_rank(first, failures, len(self.children)), failures)

    def _failure_of(self, rank: int) -> Failure | None:
        """What ended a rank: by its own words, else by its exit code. A rank that left the others without a word is a cause too."""
        code, moment = self.ended[rank]
        written = read_failure(failure_file(self.folder, rank))
        if written is not None or code == 0:
            return written
        if rank in self._asked:
            told = Told("ended by the launcher, since another rank had failed")
            return Failure(rank, (told,), 1, moment, consequence=True)
        if code < 0 and -code in self.signals:
            return Failure(rank, (Told(f"ended by {_name(-code)}"),), 128 - code, moment)
        if code < 0:
            return Failure(rank, (_killed_by(-code),), 1, moment)
        if code == 130 and self.signals:
            return Failure(rank, (Told("interrupted"),), 130, moment)
        said = next((each.last.strip() for each in self.outputs if each.rank == rank), "")
        why = said.splitlines()[-1] if said else ""
        return Failure(rank, (Told(f"the process ended with code {code}", why=why),), code, moment)

    def _explain_leaving(self, rank: int) -> Failure:
        """A rank that ended as if all were done while others were not."""
        why = "something in it ended the process: os._exit, or a library that does so"
        return Failure(rank, (Told("the process left the others in the middle of the run", why=why),), 1, self.ended[rank][1])


def _killed_by(number: int) -> Told:
    name = _name(number)
    if number == signal.SIGKILL:
        why = "the system does so to a process where memory is short, and so may a person or a job's limits"
        return Told(
            f"the process was killed ({name})", why=why, fix="look at the memory of the machine; smaller batches or fewer ranks need less"
        )
    return Told(f"the process ended by {name}", fix="its log may say more")


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _is_ignored(number: int) -> bool:
    """Whether whoever started this process lets it ignore the signal, as `nohup` does."""
    return signal.getsignal(number) == signal.SIG_IGN


def _send(child: Child, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(child.pid, number)


def show_on_stderr(line: str) -> None:
    """A line of a rank, on standard error as it is now."""
    with suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)
