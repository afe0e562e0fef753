"""Progress for people: one live line and a table that grows by evaluations on a terminal, plain flushed lines elsewhere."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TextIO

from trainwright.engine.callbacks.base import Callback
from trainwright.engine.progress_text import choose_columns, ending, headline, mark, position, span, width
from trainwright.engine.session import Session
from trainwright.engine.system import Batch, System

REFRESH = 0.1
"""Seconds between two drawings of the live line."""
QUIET = 5.0
"""Seconds between two plain lines that tell of no evaluation."""


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
            names = choose_columns(session, row)
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
            self._columns = choose_columns(session, row)
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
