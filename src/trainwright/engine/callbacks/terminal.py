"""Progress for people: one table of evaluations, with a live line below it on a terminal; and every row in the log."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from textwrap import fill
from typing import TextIO

from trainwright.engine.callbacks.base import Callback
from trainwright.engine.progress_table import ProgressTable, room
from trainwright.engine.progress_text import done, ending, headline, position, row_text, span
from trainwright.engine.session import Session
from trainwright.engine.system import Batch, System
from trainwright.engine.thinning import Thinning

REFRESH = 0.1
"""Seconds between two drawings of the live line."""
QUIET = 5.0
"""Seconds between two lines that tell of no evaluation."""
EVALUATIONS, BETWEEN = 30, 10
"""Lines of a run that tell of evaluations (of any rows where nothing is evaluated), and of what is between them, at most."""
ONLY_IN_FILES = {"only_in_files": True}

log = logging.getLogger("trainwright.progress")


class LogRows(Callback):
    """Every row in the run's log, whatever the terminal shows."""

    def on_fit_start(self, session: Session, system: System) -> None:
        """What the run will be."""
        log.debug("%s", headline(session), extra=ONLY_IN_FILES)

    def on_log(self, session: Session, row: Mapping[str, float]) -> None:
        """Where the run is."""
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s", row_text(session, row), extra=ONLY_IN_FILES)

    def on_fit_end(self, session: Session, system: System) -> None:
        """How it ended."""
        log.debug("%s", ending(session), extra=ONLY_IN_FILES)


class PlainProgress(Callback):
    """A table with a line per evaluation, and between evaluations one at most every five seconds; of long runs some forty lines."""

    def __init__(self, stream: TextIO | None) -> None:
        """Without a stream, as in a program that has no standard output, nothing is said."""
        self.stream = stream
        self._last = time.monotonic()
        self._begin()

    def on_fit_start(self, session: Session, system: System) -> None:
        """Say what the run will be."""
        self._begin()
        self._behind = done(session)
        self.say(fill(headline(session), room(), subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))

    def _begin(self) -> None:
        self._table: ProgressTable | None = None
        self._evaluations, self._between = Thinning(EVALUATIONS), Thinning(BETWEEN)
        self._behind = 0.0
        """The share of the run that earlier processes made."""
        self._held: Mapping[str, float] | None = None
        """The last row that could have been shown and was not."""

    def on_log(self, session: Session, row: Mapping[str, float]) -> None:
        """Say where the run is."""
        share = (done(session) - self._behind) / max(1.0 - self._behind, 1e-9)
        if session.parts.validation is None or any(name.startswith("validation/") for name in row):
            self._last = time.monotonic()
            shown = self._evaluations.shows(share)
            self._held = None if shown else row
            if shown:
                self.tell(session, row)
        else:
            self.show_between(session, row, share)

    def show_between(self, session: Session, row: Mapping[str, float], share: float) -> None:
        """A row without an evaluation, where nothing was said for a while."""
        if time.monotonic() - self._last < QUIET:
            return
        self._last = time.monotonic()
        if self._between.shows(share):
            loss = f"  train loss {row['train/loss']:.4g}" if "train/loss" in row else ""
            self.tell(session, row) if self._table else self.say(f"{position(session)}{loss}")

    def tell(self, session: Session, row: Mapping[str, float]) -> None:
        """A line of the table, below its heading."""
        if self._table is None:
            self._table = ProgressTable(session, row)
            if self._table.judged:
                self.say(f"*: best so far, by {session.monitor.name.replace('_', ' ')} on the validation rows")
            self.say(self._table.heading())
        self.say(self._table.line(session, row))

    def on_fit_end(self, session: Session, system: System) -> None:
        """Say how it ended, the last row first."""
        if self._held is not None:
            self.tell(session, self._held)
        self.say(ending(session))
        hidden = self._evaluations.hidden - (self._held is not None)
        if hidden > 0:
            self.say(f"{hidden:,} more rows of this table are in metrics.csv")

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
    """The table and, below, one line that is drawn anew ten times a second."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
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
        """Remember the loss; at an evaluation add a line to the table."""
        self._loss = row.get("train/loss", self._loss)
        super().on_log(session, row)

    def show_between(self, session: Session, row: Mapping[str, float], share: float) -> None:
        """The live line tells of it."""

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


class RelayedProgress(LiveProgress):
    """The table and the live line, drawn anew with each logged row: whoever carries it to the terminal carries one piece for each."""

    def on_train_batch_end(self, session: Session, system: System, batch: Batch, index: int) -> None:
        """Nothing goes out with a step."""

    def on_log(self, session: Session, row: Mapping[str, float]) -> None:
        """The line of the table, if any, and the live one."""
        super().on_log(session, row)
        self.draw(session, time.monotonic())
