"""Where the time of a run goes, in its logged rows."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainwright.engine.callbacks.base import Callback
from trainwright.engine.callbacks.options import TimerOptions
from trainwright.engine.callbacks.place import row_follows
from trainwright.engine.system import Batch, System

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")


class Timer(Callback):
    """Logs `timer/<phase>_seconds`, over all processes of the run; tells the shares at the end."""

    def __init__(self, options: TimerOptions | None = None) -> None:
        self.options = options or TimerOptions()

    def on_train_batch_end(self, session: Session, system: System, batch: Batch, index: int) -> None:
        """Log the seconds so far, if a row follows."""
        if row_follows(session, session.step):
            for phase, seconds in session.clock.timing.read().items():
                session.log(f"timer/{phase}_seconds", seconds, reduce="last")

    def on_fit_end(self, session: Session, system: System) -> None:
        """Say where the time went."""
        seconds = session.clock.timing.read()
        whole = max(sum(seconds.values()), 1e-9)
        shares = ", ".join(f"{phase} {each:.1f} s ({100 * each / whole:.0f} %)" for phase, each in seconds.items())
        log.info("time of the run: %s", shares)
