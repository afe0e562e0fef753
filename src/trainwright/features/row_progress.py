"""How far something is that is done with every row before training: one line drawn again on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import os
import sys
import time
from typing import Any, Self, TextIO

SAY_EVERY = 10.0
"""Seconds between lines where they are not drawn over each other."""
DRAW_EVERY = 0.2
"""Seconds between updates of a line on a terminal."""
SILENT = 2.0
"""Seconds before anything is drawn: what is quick needs no line."""


class RowProgress:
    """Called with how many rows were looked at and how many of them are broken; what it says goes to standard error."""

    def __init__(self, count: int, what: str, stream: TextIO | None = None, *, before: int = 0) -> None:
        """`before`: rows that were done by another process, which say nothing of how fast this one is."""
        self.before = before
        self.count, self.what, self.stream = count, what, stream or sys.stderr
        self.live = bool(self.stream.isatty()) and os.environ.get("TERM") != "dumb"
        self.begun = time.monotonic()
        self.next = self.begun + (SILENT if self.live else SAY_EVERY)
        self.drawn = False

    def __call__(self, looked: int, broken: int) -> None:
        now = time.monotonic()
        if now < self.next:
            return
        self.next, self.drawn = now + (DRAW_EVERY if self.live else SAY_EVERY), True
        line = self.line(looked, broken, now - self.begun)
        self._write(f"\r\x1b[K{line}" if self.live else f"{line}\n")

    def line(self, looked: int, broken: int, seconds: float) -> str:
        """`column 'image': 12,800 of 100,000 rows, 640 a second, about 2 min 16 s left; 3 cannot be read`."""
        rate = max(looked - self.before, 1) / max(seconds, 1e-9)
        left = max(self.count - looked, 0) / rate
        minutes, rest = divmod(round(left), 60)
        hours = f"{minutes // 60} h {minutes % 60:02d} min"
        span = f"{rest} s" if not minutes else f"{minutes} min {rest:02d} s" if minutes < 60 else hours
        said = f"; {broken:,} cannot be read" if broken else ""
        return f"{self.what}: {looked:,} of {self.count:,} rows, {rate:,.0f} a second, about {span} left{said}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        if self.live and self.drawn:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()
