"""Progress for people: one live line and a table that grows by evaluations on a terminal, plain flushed lines elsewhere.

In a notebook it is one display; see `callbacks/notebook.py`.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TextIO

from trainwright.engine.callbacks.base import Callback
from trainwright.engine.session import Session
from trainwright.engine.system import Batch, System

REFRESH = 0.1
"""Seconds between two drawings of the live line."""
QUIET = 5.0
"""Seconds between two plain lines that tell of no evaluation."""
SHOWN = 5
"""Metrics of a line at most; all of them are in metrics.csv."""


def progress(stream: TextIO | None = None, kind: str = "auto") -> Callback:
    """The progress that suits a stream; without one, that of the notebook we are in, else of standard output. `kind`: `auto` or `plain`."""
    if stream is None and "IPython" in sys.modules and kind == "auto":
        from trainwright.engine.callbacks.notebook import NotebookProgress, in_notebook

        if in_notebook():
            return NotebookProgress(sys.stdout)
    stream = sys.stdout if stream is None else stream
    return LiveProgress(stream) if stream is not None and kind == "auto" and _is_terminal(stream) else PlainProgress(stream)


def _is_terminal(stream: TextIO) -> bool:
    """Whether a person looks on; a stream that is closed, or that a program made itself, may be unable to say."""
    try:
        return bool(stream.isatty())
    except (OSError, ValueError, AttributeError):
        return False


class PlainProgress(Callback):
    """A line per evaluation, and between evaluations one at most every five seconds."""

    def __init__(self, stream: TextIO | None) -> None:
        """Without a stream, as in a program that has no standard output, nothing is said."""
        self.stream = stream
        self._last = time.monotonic()

    def on_fit_start(self, session: Session, system: System) -> None:
        """Say what the run will be."""
        self.say(headline(session))

    def on_log(self, session: Session, row: Mapping[str, float]) -> None:
        """Say where the run is."""
        evaluated = any(name.startswith("validation/") for name in row)
        if evaluated or time.monotonic() - self._last >= QUIET:
            self._last = time.monotonic()
            names = shown(session, row)
            values = "  ".join(f"{name} {row[name]:.4g}" for name in names)
            self.say(f"{position(session)}  {values}{mark(session, row)}")

    def on_fit_end(self, session: Session, system: System) -> None:
        """Say how it ended."""
        self.say(ending(session))

    def say(self, line: str) -> None:
        """A line, at once; a reader that went away does not end the run."""
        self.write(line + "\n")

    def write(self, text: str) -> None:
        """Text, at once, where it can be written."""
        if self.stream is None:
            return
        with suppress(OSError, ValueError):
            self.stream.write(text)
            if hasattr(self.stream, "flush"):
                self.stream.flush()


class LiveProgress(PlainProgress):
    """A row per evaluation and, below, one line that is drawn anew ten times a second."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._columns: list[str] = []
        self._loss = float("nan")
        self._begun = (0, time.monotonic())
        self._live = False

    def on_train_start(self, session: Session, system: System) -> None:
        """Begin to count steps."""
        self._begun = (session.step, time.monotonic())

    def on_train_batch_end(self, session: Session, system: System, batch: Batch, index: int) -> None:
        """Draw the live line, if the last one is old; nothing is read from the device."""
        now = time.monotonic()
        if now - self._last >= REFRESH:
            self._last = now
            self.draw(session, now)

    def on_log(self, session: Session, row: Mapping[str, float]) -> None:
        """Remember the loss; at an evaluation add a row to the table."""
        self._loss = row.get("train/loss", self._loss)
        if not any(name.startswith("validation/") for name in row):
            return
        if not self._columns:
            self._columns = shown(session, row)
            self.say("  ".join(f"{name:>{width(name)}}" for name in ("step", *self._columns)))
        cells = [f"{row['step']:>{width('step')}}", *(f"{row.get(name, float('nan')):>{width(name)}.4g}" for name in self._columns)]
        self.say("  ".join(cells) + mark(session, row))

    def draw(self, session: Session, now: float) -> None:
        """The live line: place, loss, steps per second, time left."""
        since, begun = self._begun
        speed = (session.step - since) / max(now - begun, 1e-9)
        left = f"  {span((session.plan.max_steps - session.step) / speed)} left at most" if session.plan.max_steps and speed else ""
        line = f"{position(session)}  loss {self._loss:.4g}  {speed:,.0f} steps/s{left}"
        room = shutil.get_terminal_size().columns - 1
        self.write(f"\r\x1b[K{line[:room]}")
        self._live = True

    def on_exception(self, session: Session, system: System, error: BaseException) -> None:
        """Leave the live line."""
        self.clear()

    def clear(self) -> None:
        """Take the live line away."""
        if self._live:
            self.write("\r\x1b[K")
            self._live = False

    def say(self, line: str) -> None:
        """A line that stays, above the live one."""
        self.clear()
        self.write(line + "\n")


def headline(session: Session) -> str:
    """What the run will be: the numbers that were chosen, before the first step."""
    plan = session.plan
    pieces = f" in pieces of {plan.micro_batch_size}" if plan.micro_batch_size < plan.batch_size else ""
    ends = []
    if plan.max_steps is not None:
        ends.append(f"{counted(plan.max_steps, 'step')} ({counted(plan.epochs_at(plan.max_steps), 'epoch')})")
    ends += [] if plan.max_seconds is None else [span(plan.max_seconds)]
    begun = f"; continues after step {session.step:,}" if session.step else ""
    joined = "" if plan.ready and plan.batch_size == 1 else f", {plan.batch_size:,} per step{'' if plan.ready else pieces}"
    shape = f"{counted(plan.rows, 'ready batch' if plan.ready else 'row')}{joined}, {counted(plan.steps_per_epoch, 'step')} per epoch"
    return f"{shape}, at most {' or '.join(ends)}, on {session.device}{begun}"


def counted(number: float, unit: str) -> str:
    """A number and its unit, which has an `s` unless the number is one."""
    shown = f"{number:,}" if isinstance(number, int) else f"{number:.4g}"
    return f"{shown} {unit}{'' if number == 1 else 'es' if unit.endswith('ch') and unit != 'epoch' else 's'}"


def position(session: Session) -> str:
    """Step and epoch, of how many."""
    plan = session.plan
    steps = f"/{plan.max_steps}" if plan.max_steps else ""
    return f"step {session.step}{steps}  epoch {plan.epoch_of(max(session.batches_seen - 1, 0)) + 1}"


def mark(session: Session, row: Mapping[str, float]) -> str:
    """A star for the best so far."""
    return "  *" if session.best.steps[:1] == [row["step"]] else ""


def shown(session: Session, row: Mapping[str, float]) -> list[str]:
    """The columns of the table: losses, the monitored metric, then others while there is room."""
    first = ["train/loss", "validation/loss", f"validation/{session.monitor.name}"]
    others = [name for name in row if name.startswith("validation/")]
    return [name for name in dict.fromkeys([*first, *others]) if name in row][:SHOWN]


def width(name: str) -> int:
    """Characters of a column."""
    return max(len(name), 9)


def span(seconds: float) -> str:
    """Seconds as a person says them: `42 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def ending(session: Session) -> str:
    """How the run ended, and which weights it kept."""
    best = f"; best {session.monitor.name} {session.best.entries[0][1]:.4g} at step {session.best.steps[0]}" if session.best.steps else ""
    return f"stopped at step {session.step} ({session.stopped_because.replace('_', ' ')}){best}"
