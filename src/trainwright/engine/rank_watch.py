"""Each process tells where it is, beside its work; when no step ends any more, the one that is behind is named, with its stack."""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.config.errors import TrainwrightError
from trainwright.engine.clock import Phase
from trainwright.engine.watchdog import LOOKS, OPTION, Watching, stacks
from trainwright.parallel.failures import RankLost
from trainwright.parallel.timers import end_process

if TYPE_CHECKING:
    from trainwright.engine.session import Session
    from trainwright.parallel.board import Board

log = logging.getLogger("trainwright.engine")

SECONDS = 300.0
"""After which a run is looked at that is watched, where no time was given."""
SHORTEST, LONGEST = 0.05, 0.5
"""Seconds between two looks, at least and at most: a process is named within two seconds of the time that was given."""
FOLLOWS = 1.0
"""Seconds after which the other processes end too."""
PATIENCE = 1.2
"""Seconds without a word after which a process is taken for silent."""
FOLDER = "hang"
"""In the directory of a run: what was found when it hung."""
ORDER = {Phase.AT_BOUNDARY: 0, Phase.EVALUATING: 0, Phase.BETWEEN_STEPS: 1, Phase.READING: 2, Phase.IN_STEP: 3, Phase.OUTSIDE: 4}
"""What comes first of two phases after as many batches."""
WAITING = ("torch/distributed/", "trainwright/parallel/")
"""Where the innermost line of a process is that waits for others."""


@dataclass(frozen=True)
class Beat:
    """Where a process is, as it tells the others."""

    rank: int
    number: int
    """Counts the looks, so that one who reads twice sees whether the process goes on telling."""
    step: int
    batches_seen: int
    phase: str
    order: int
    seconds: float
    """Since when it has been there."""
    waits: bool
    """Whether it waits for the others."""
    process: str
    """Its number, and the machine."""

    @property
    def place(self) -> tuple[int, int, bool]:
        """What is smallest for the process that the others wait for."""
        return self.batches_seen, self.order, self.waits

    def describe(self) -> str:
        """The beat in words."""
        outside = self.order == ORDER[Phase.OUTSIDE]
        where = self.phase if outside else f"step {self.step + 1}, phase {self.phase}"
        return f"rank {self.rank}: {where}, for {self.seconds:.1f} s{', waits for others' if self.waits else ''}"


class RankWatch(Watching):
    """A thread of each process that pins up where the process is, and looks at the others once nothing moved for `seconds`.

    An ordinary step does nothing for it. Each process writes its own stacks and its flight recorder into `hang/` of the run; the lowest
    rank that still tells where it is reports.
    """

    def __init__(self, session: Session, board: Board, seconds: float | None, folder: Path) -> None:
        """`seconds`: None is some minutes, and then nothing is said of processes that are slow and none of which waits for another."""
        super().__init__("watch of ranks")
        self.seconds = SECONDS if seconds is None else seconds
        self._asked = seconds is not None or session.parts.config.recovery.hang == "end"
        self._session, self._board, self._folder = session, board, folder
        self._pause = min(max(self.seconds / LOOKS, SHORTEST), LONGEST)
        self._main, self._process = threading.get_ident(), f"process {os.getpid()} on {socket.gethostname()}"
        self._last: object = None
        self._since, self._number, self._told, self._pinned = time.monotonic(), 0, False, False

    def _watch(self) -> None:
        try:
            while not self._ended.wait(self._pause):
                if self._look() and not self._told:
                    self._told = True
                    self._act()
        except RuntimeError as error:  # the process that keeps the board has left: what follows from it is told elsewhere
            log.debug("the watch of ranks ends: %s", error)

    def _look(self) -> bool:
        """Pin up where this process is; whether nothing has moved for too long."""
        position, phase = self._session.position, self._session.clock.phase
        now = position.batches_seen, position.evaluated_at, phase
        if now != self._last:
            self._last, self._since, self._told = now, time.monotonic(), False
            self._unpin()
        seconds = time.monotonic() - self._since
        self._number += 1
        waits = seconds >= self._pause and waits_for_others(self._main)
        here = self._board.rank, self._number, position.step, position.batches_seen, phase.value, ORDER[phase]
        beat = Beat(*here, seconds, waits, self._process)
        self._board.pin("beat", asdict(beat))
        return seconds >= self.seconds

    def _unpin(self) -> None:
        """What was told of another place is told no more."""
        if self._pinned:
            self._board.pin("stack", None)
            self._pinned = False

    def _act(self) -> None:
        from trainwright.parallel.flight import describe_last, write_flight

        rank = self._board.rank
        self._pinned = True
        self._board.pin("stack", {"stack": stack_of(self._main), "flight": describe_last()})
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            with (self._folder / f"stacks-{rank}.txt").open("a", encoding="utf-8") as file:
                file.write(f"step {self._session.step + 1}, phase {self._session.clock.phase.value}\n{stacks()}\n")
        silent = self._silent_ranks()
        blame = self._report(silent) if all(each in silent for each in range(rank)) else ""
        with suppress(OSError):
            write_flight(self._folder, rank)  # last: it takes half a second
        if self._session.parts.config.recovery.hang == "end":
            self._end(blame)

    def _end(self, blame: str) -> None:
        """End this process: first the one that tells why, so that its word is the cause."""
        what, where = f"no step has ended for {self.seconds:g} s", stacks()
        if blame:
            end_process(TrainwrightError(what, where=OPTION, why=blame), where)
        if not self._ended.wait(FOLLOWS):
            end_process(RankLost(what, where=OPTION), where)

    def _silent_ranks(self) -> set[int]:
        """Those that tell nothing from here on, for as long as even a busy machine lets no thread wait."""
        before = {rank: self._board.read("beat", rank) for rank in range(self._board.size)}
        until = time.monotonic() + PATIENCE
        while before and time.monotonic() < until:
            self._ended.wait(self._pause)
            self._look()
            before = {rank: beat for rank, beat in before.items() if self._board.read("beat", rank) == beat}
        return set(before)

    def _report(self, silent: set[int]) -> str:
        """Tell what was found; which process the others wait for, empty where none does."""
        found = [self._board.read("beat", rank) for rank in range(self._board.size)]
        beats = [Beat(**each) for each in found if each is not None]
        never = [rank for rank, each in enumerate(found) if each is None]
        if not (self._asked or silent or any(each.waits for each in beats)):
            return ""
        behind = min(beats, key=lambda each: (each.rank not in silent, each.place))
        blame = blame_of(behind, behind.rank in silent) if not never else f"rank {never[0]} has told nothing since the run began"
        lines = [f"no step has ended for {self.seconds:g} s; {blame}"]
        for beat in beats:
            told = self._board.read("stack", beat.rank) or {}
            gone = ", tells nothing any more" if beat.rank in silent else ""
            lines.append(f"  {beat.describe()}{gone}; began {told.get('flight', 'what is not known')}")
        lines += [f"  rank {rank}: has told nothing yet" for rank in never]
        stack = (self._board.read("stack", behind.rank) or {}).get("stack", "")
        asked = f"rank {behind.rank} is {behind.process}; while it is there, py-spy dump --pid shows where"
        lines.append(f"where rank {behind.rank} is:\n{stack}" if stack else asked)
        self._write("\n".join(lines), behind)
        return blame

    def _write(self, text: str, behind: Beat) -> None:
        self._session.parts.events.tell("hang", behind.step, behind.rank, phase=behind.phase, seconds=round(behind.seconds, 1))
        log.error("%s", text)  # also where this is not rank 0, which would have said it
        with suppress(OSError):
            (self._folder / f"step-{behind.step + 1:08d}.txt").write_text(text + "\n", encoding="utf-8")


def blame_of(behind: Beat, silent: bool) -> str:
    """Which process the others wait for, and why as far as that is known."""
    if silent:
        return f"rank {behind.rank} tells nothing any more: it has ended, its machine is gone, or code of it lets no other thread run"
    return f"the others wait for {behind.describe()}"


def stack_of(thread: int) -> str:
    """The lines of Python at which a thread is, the innermost last."""
    frame = sys._current_frames().get(thread)
    return "".join(traceback.format_stack(frame)) if frame is not None else ""


def waits_for_others(thread: int) -> bool:
    """Whether the innermost line of a thread is one of a collective."""
    frame = sys._current_frames().get(thread)
    while frame is not None and frame.f_code.co_filename.endswith("contextlib.py"):
        frame = frame.f_back
    return frame is not None and any(each in frame.f_code.co_filename.replace("\\", "/") for each in WAITING)
