"""The processes of one machine, watched by the one that started them: signals passed on, the rest ended when one fails, the first cause."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from trainwright.parallel.failures import Failure, Told, first_cause, read_failure, with_rank
from trainwright.parallel.rank_output import RankOutput, wait_for_output
from trainwright.parallel.signals import Signals, name_signal
from trainwright.parallel.timers import TimerWatch

LOOK = 0.05
"""Seconds between two looks at the processes."""
GRACE = 15.0
"""Seconds that the others have to end by themselves once one has failed: most of them meet the same, or miss it at once."""
SAVED_GRACE = 120.0
"""The same where it has saved and left: the others may still be writing."""
KILL = 10.0
"""Seconds from SIGTERM to SIGKILL."""
HURRIED = 1.0
"""Seconds that the others have where all are started again: what they would still write is in the last checkpoint."""
INTERRUPTED, REFUSED = 75, 2


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
    """Waits for the processes of a run on this machine, `first` being the rank of the first one."""

    def __init__(
        self,
        children: Sequence[Child],
        folder: Path,
        outputs: Sequence[RankOutput] = (),
        *,
        first: int = 0,
        signals: Signals | None = None,
        hurried: bool = False,
        beside: Callable[[Agent], None] | None = None,
    ) -> None:
        """`folder`: where the ranks write what ended them. `outputs`: what some of them print. `hurried`: whether those that are left are
        ended soon once one has failed, since all are started again. `beside` is called at every look.
        """
        self.children, self.folder, self.outputs = list(children), folder, list(outputs)
        self.first, self.signals, self.hurried, self.beside = first, signals or Signals(), hurried, beside
        self.ended: dict[int, tuple[int, float]] = {}
        """Which of the children → exit code, and when it was seen."""
        self.leaving = False
        """Whether the ranks were asked to save and leave, or were ended, for a reason that is none of theirs."""
        self.ended_for: dict[int, Failure] = {}
        """Which of the children → why it was ended before it could say so itself."""
        self._timers = TimerWatch(folder)
        self._asked: dict[int, float] = {}
        self._killed: set[int] = set()
        self._left_at = 0.0
        self._heard_before = self.signals.handed

    @property
    def heard(self) -> list[int]:
        """The signals that came during this start, and were passed on."""
        return self.signals.came[self._heard_before :]

    def wait(self) -> Ending:
        """Return when all processes have ended. A failure of one ends the others after a short grace."""
        with self.signals.listening(), self.signals.hand_to(self._pass_on):
            try:
                self._wait()
            except BaseException:
                self.stop()
                raise
        for each in self.outputs:
            each.close()
        return self._ending()

    def _wait(self) -> None:
        while len(self.ended) < len(self.children):
            wait_for_output(self.outputs, LOOK)
            self._look()
            self._end_the_rest()
            self._end_overstaying()
            if self.beside is not None:
                self.beside(self)

    def stop(self) -> None:
        """End all processes at once."""
        for place in self._running():
            _send(self.children[place], signal.SIGKILL)

    def leave(self) -> None:
        """Ask the ranks to save and leave, once, unless a signal has asked them already."""
        if not self.leaving and not self.heard:
            self._left_at = time.time()
            for place in self._running():
                _send(self.children[place], signal.SIGTERM)
        self.leaving = True

    def cut(self) -> None:
        """End the ranks at once, for a reason that is none of theirs."""
        self.leaving = True
        self.stop()

    def end(self, place: int, why: Failure) -> None:
        """End one process, and tell why."""
        self.ended_for[place] = why
        _send(self.children[place], signal.SIGKILL)

    def _hurry(self, all_of_them: bool) -> None:
        """End the ranks that have said what ends them, or all that are left: what they would do on their way out takes longer."""
        for place in self._running():
            said = failure_file(self.folder, self.first + place).exists()
            if said or all_of_them:
                self._asked[place] = time.time()
                _send(self.children[place], signal.SIGKILL)

    def _end_overstaying(self) -> None:
        """End ranks in a block that has taken longer than it may."""
        running = {self.first + place: self.children[place].pid for place in self._running() if place not in self.ended_for}
        for rank, why in self._timers.overstaying(running).items():
            self.end(rank - self.first, why)

    def _running(self) -> list[int]:
        return [place for place in range(len(self.children)) if place not in self.ended]

    def _pass_on(self, number: int) -> None:
        """To all that were started; they have a group of their own, so that none hears a terminal's twice.

        One that comes while they save and leave anyway is kept from them: it would end them at once.
        """
        if self.leaving and len(self.heard) == 1:
            return
        for place in self._running():
            _send(self.children[place], number)

    def _look(self) -> None:
        for place in self._running():
            if (code := self.children[place].poll()) is not None:
                self.ended[place] = (code, time.time())

    def _end_the_rest(self) -> None:
        """Ask those that still run to end once another has failed a while ago, and end them a while later."""
        now = time.time()
        if self._left_at and now - self._left_at >= SAVED_GRACE:
            self.stop()
        failed = [(moment, code) for code, moment in self.ended.values() if code]
        if not failed or len(self.ended) == len(self.children):
            return
        moment, codes = min(failed)[0], {code for _, code in failed}
        if self.hurried and not codes & {INTERRUPTED, REFUSED}:
            self._hurry(now - moment >= HURRIED)
            return
        grace = SAVED_GRACE if codes == {INTERRUPTED} else GRACE
        for place in self._running():
            if now - moment < grace:
                continue
            if place not in self._asked:
                self._asked[place] = now
                _send(self.children[place], signal.SIGTERM)
            elif now - self._asked[place] >= KILL and place not in self._killed:
                self._killed.add(place)
                _send(self.children[place], signal.SIGKILL)

    def _ending(self) -> Ending:
        failures = [each for place in range(len(self.children)) if (each := self._failure_of(place)) is not None]
        if failures and all(each.consequence for each in failures):
            failures += [self._explain_leaving(place) for place, (code, _) in self.ended.items() if code == 0]
        first = first_cause(failures)
        if first is None:
            return Ending(0, None)
        if first.exit_code > 128 or (self.heard and first.exit_code == 130):  # a person ended it, and knows
            return Ending(first.exit_code, None, failures)
        return Ending(first.exit_code, with_rank(first, failures, len(self.children)), failures)

    def _failure_of(self, place: int) -> Failure | None:
        """What ended a rank: by its own words, else by its exit code. A rank that left the others without a word is a cause too."""
        (code, moment), rank = self.ended[place], self.first + place
        if place in self.ended_for:
            return self.ended_for[place]
        written = read_failure(failure_file(self.folder, rank))
        if written is not None or code == 0:
            return written
        if place in self._asked or (self.leaving and code < 0):
            told = Told("ended by the launcher, since another rank had failed")
            return Failure(rank, (told,), 1, moment, consequence=True)
        if code < 0 and -code in self.heard:
            return Failure(rank, (Told(f"ended by {name_signal(-code)}"),), 128 - code, moment)
        if code == 130 and self.heard:
            return Failure(rank, (Told("interrupted"),), 130, moment)
        said = next((each.last.strip() for each in self.outputs if each.rank == rank), "")
        return explain_code(rank, code, moment, said.splitlines()[-1] if said else "")

    def _explain_leaving(self, place: int) -> Failure:
        """A rank that ended as if all were done while others were not."""
        why = "something in it ended the process: os._exit, or a library that does so"
        told = Told("the process left the others in the middle of the run", why=why)
        return Failure(self.first + place, (told,), 1, self.ended[place][1])


def explain_code(rank: int, code: int, moment: float, said: str = "") -> Failure:
    """What is known of a rank that ended without a word: its exit code, negative for a signal, and the last line that it printed."""
    if code < 0:
        return Failure(rank, (_killed_by(-code),), 1, moment)
    return Failure(rank, (Told(f"the process ended with code {code}", why=said),), code, moment)


def _killed_by(number: int) -> Told:
    name = name_signal(number)
    if number == signal.SIGKILL:
        why = "the system does so to a process where memory is short, and so may a person or a job's limits"
        return Told(
            f"the process was killed ({name})", why=why, fix="look at the memory of the machine; smaller batches or fewer ranks need less"
        )
    return Told(f"the process ended by {name}", fix="its log may say more")


def _send(child: Child, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(child.pid, number)


def show_on_stderr(line: str) -> None:
    """A line of a rank, on standard error as it is now."""
    with suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)
