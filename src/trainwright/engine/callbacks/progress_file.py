"""Progress as a file that another program reads: `progress.json` in the run, whole at every moment, and nothing on standard output."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from trainwright.config.errors import Interrupted, RunError, TrainwrightError
from trainwright.engine.callbacks.base import Callback
from trainwright.engine.session import Session
from trainwright.engine.system import Batch, System
from trainwright.files.text import write_json

FILE = "progress.json"
INTERVAL = 1.0
"""Seconds between two writings while nothing but steps happens."""

log = logging.getLogger("trainwright.engine")


class FileProgress(Callback):
    """Writes where the run is: state, step, epoch, share done, last logged row, best so far, seconds, and why it ended."""

    def __init__(self) -> None:
        self._row: dict[str, float] = {}
        self._begun = self._last = time.monotonic()
        self._told = False

    def on_fit_start(self, session: Session, system: System) -> None:
        """The run begins, or goes on."""
        self.write(session, "starting")

    def on_train_batch_end(self, session: Session, system: System, batch: Batch, index: int) -> None:
        """A step was made; nothing is read from the device."""
        if time.monotonic() - self._last >= INTERVAL:
            self.write(session, "training")

    def on_log(self, session: Session, row: Mapping[str, float]) -> None:
        """A row was logged."""
        self._row = dict(row)
        self.write(session, "training")

    def on_validation_start(self, session: Session, system: System) -> None:
        """An evaluation begins."""
        self.write(session, "validating")

    def on_test_start(self, session: Session, system: System) -> None:
        """The test split is measured."""
        self.write(session, "testing")

    def on_exception(self, session: Session, system: System, error: BaseException) -> None:
        """The run ends early; one that was interrupted is saved."""
        state = "interrupted" if isinstance(error, Interrupted | KeyboardInterrupt) else "failed"
        self.write(session, state, error.what if isinstance(error, TrainwrightError) else type(error).__name__)

    def on_fit_end(self, session: Session, system: System) -> None:
        """The run is done."""
        self.write(session, "finished", session.stopped_because.replace("_", " "))

    def write(self, session: Session, state: str, why: str = "") -> None:
        """The file, written anew as a whole; a disk that refuses is said once and ends no run."""
        self._last = time.monotonic()
        best = session.best.entries[:1]
        content: dict[str, Any] = {
            "state": state,
            "why": why,
            "step": session.step,
            "max_steps": session.plan.max_steps,
            "epoch": session.epoch,
            "progress": 1.0 if state == "finished" else session.progress,
            "monitor": session.monitor.name,
            "best": {"step": session.best.steps[0], "value": best[0][1]} if best and session.best.steps else None,
            "row": self._row,
            "seconds": round(self._last - self._begun, 3),
            "updated": time.time(),
        }
        try:
            write_json(session.folder / FILE, content)
        except RunError as error:
            if not self._told:
                log.warning("%s cannot be written: %s", session.folder / FILE, error)
            self._told = True
