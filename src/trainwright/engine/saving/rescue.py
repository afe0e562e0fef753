"""What is saved when an error ends a run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from trainwright.config.errors import FOREIGN, Interrupted
from trainwright.engine.clock import Phase
from trainwright.engine.recovery import check_now

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")


@contextmanager
def saved_on_error(session: Session) -> Iterator[None]:
    """Around a run: an error saves what can be saved before it goes on, and at the end nothing is left half-written."""
    try:
        yield
    except BaseException as error:
        rescue(session, error)
        raise
    finally:
        session.parts.saver.close()


def rescue(session: Session, error: BaseException) -> None:
    """Save before an error ends the run, if the state is that of one step and the loss is finite; never raises."""
    saver, position, phase = session.parts.saver, session.position, session.clock.phase
    if not may_save(session, error):
        return
    try:
        saver.wait()
        if saver.saved_step == position.step:
            return
        check_now(session)
        position.boundary_pending = position.boundary_pending or phase is Phase.EVALUATING
        if saver.save(session, wait=True):
            log.warning("%s at step %d before an error ended the run", "saved" if saver.resumable else "weights saved", position.step)
    except FOREIGN as second:  # hooks of others are asked what they save: what they raise must not hide the error that came first
        log.warning("not saved at step %d: %s", position.step, second, exc_info=True)


def may_save(session: Session, error: BaseException) -> bool:
    """Whether there is something to save, and the run is not left at once."""
    config, parts = session.parts.config.checkpoint, session.parts
    if parts.world.size > 1:
        return False  # the others are not at this place, and would be waited for
    if isinstance(error, Interrupted) or parts.interrupts.requested:
        return False
    wanted = config.on_exception and config.type != "none"
    return wanted and session.position.step > 0 and session.clock.phase.is_of_one_step
