"""Progress in a notebook: one display that is drawn anew instead of a growing list of lines."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, TextIO

from trainwright.engine.callbacks.terminal import PlainProgress
from trainwright.engine.progress_text import choose_columns, ending, headline, is_best, position
from trainwright.engine.system import Batch, System
from trainwright.parallel.launched import started_here

if TYPE_CHECKING:
    from trainwright.engine.session import Session

REFRESH = 0.5
"""Seconds between two drawings: a browser far away is drawn on."""
KEPT = 200
"""Rows of the table at most; older ones make room."""


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, and not one that it started; IPython is asked only where it is loaded already."""
    if started_here():
        return False
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return type(shell).__name__ == "ZMQInteractiveShell"


class NotebookProgress(PlainProgress):
    """A headline, a table with a row per evaluation, and a line that says where the run is; plain lines where nothing can be displayed."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._handle: Any = None
        self._plain = False
        self._head = self._end = ""
        self._columns: list[str] = []
        self._rows: list[list[str]] = []
        self._loss = float("nan")

    def on_fit_start(self, session: Session, system: System) -> None:
        """Say what the run will be."""
        self._head, self._rows, self._end, self._handle = headline(session), [], "", None
        self.draw(position(session))
        if self._plain:
            super().on_fit_start(session, system)

    def on_train_batch_end(self, session: Session, system: System, batch: Batch, index: int) -> None:
        """Draw, if the last drawing is old; nothing is read from the device."""
        now = time.monotonic()
        if now - self._last >= REFRESH and not self._plain:
            self._last = now
            self.draw(f"{position(session)}  loss {self._loss:.4g}")

    def on_log(self, session: Session, row: Mapping[str, float]) -> None:
        """Remember the loss; at an evaluation add a row to the table."""
        if self._plain:
            return super().on_log(session, row)
        self._loss = row.get("train/loss", self._loss)
        if any(name.startswith("validation/") for name in row):
            self._columns = self._columns or choose_columns(session, row)
            cells = [
                f"{row['step']}",
                *(f"{row[name]:.4g}" if name in row else "" for name in self._columns),
                "*" if is_best(session, row) else "",
            ]
            self._rows = [*self._rows, cells][-KEPT:]
            self.draw(position(session))
        return None

    def on_fit_end(self, session: Session, system: System) -> None:
        """Say how it ended."""
        self._end = ending(session)
        self.draw("")
        if self._plain:
            super().on_fit_end(session, system)

    def draw(self, now: str) -> None:
        """The display as it is now; plain lines from here on where it cannot be had."""
        if self._plain:
            return
        try:
            ipython = import_module("IPython.display")
        except ImportError:
            self._plain = True
            return
        page = ipython.HTML(self.page(now))
        if self._handle is None:
            self._handle = ipython.display(page, display_id=True)
            self._plain = self._handle is None
        else:
            self._handle.update(page)

    def page(self, now: str) -> str:
        """Headline, table and last line as HTML."""
        table = ""
        if self._rows:
            head = "".join(f"<th>{html.escape(name)}</th>" for name in ("step", *self._columns, ""))
            body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in self._rows)
            table = f"<table><tr>{head}</tr>{body}</table>"
        return f"<p>{html.escape(self._head)}</p>{table}<p>{html.escape(self._end or now)}</p>"
