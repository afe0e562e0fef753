"""The weights of the best evaluations, from memory or from disk."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainwright.checkpoint.store import Checkpoint
from trainwright.engine.saving.held_weights import Weights
from trainwright.engine.saving.reading import for_this_process
from trainwright.engine.saving.shared_store import SharedStore
from trainwright.engine.state import EVALUATED, SYSTEM, evaluated_weights

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")


def best_weights(session: Session, count: int) -> list[Weights]:
    """The weights of the best `count` evaluations, best first, as far as they are not lost."""
    saver = session.parts.saver
    saver.wait()
    found = (weights_at(session, step) for step in saver.best.steps[:count])
    return [weights for weights in found if weights is not None]


def weights_at(session: Session, step: int) -> Weights | None:
    """The weights that were evaluated at `step`; None, said aloud, when they are lost."""
    saver = session.parts.saver
    held = saver.held.get(step)
    if held is not None:
        return held
    if step == session.position.step:
        return evaluated_weights(session)
    checkpoint = saver.store.at(step) if saver.together is None else parts_at(session, step)
    if checkpoint is None:
        log.warning("the best weights, of step %d, are lost", step)
        return None
    return {**checkpoint.tensors(SYSTEM), **checkpoint.tensors(EVALUATED)}


def parts_at(session: Session, step: int) -> Checkpoint | None:
    """The checkpoint that holds this process's parts of the weights of `step`; all processes ask, since all of them lack what one does."""
    found = SharedStore(session.parts.saver.store.folder, session.parts.world).at(step)
    return None if found is None else for_this_process(session, found)
