"""How a run goes on from a checkpoint, when it is started again and when it is put back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwright.checkpoint.store import Checkpoint, CheckpointStore
from trainwright.engine.saving.reading import for_this_process
from trainwright.engine.saving.shared_store import SharedStore
from trainwright.engine.state import restore
from trainwright.parallel.world import World

if TYPE_CHECKING:
    from trainwright.engine.session import Session


def resume(session: Session, until: int | None = None) -> bool:
    """Put the session where its newest good checkpoint (no later than step `until`) was; False when none was ever written.

    Raises RunError when none is usable.
    """
    parts, position = session.parts, session.position
    saver, world = parts.saver, parts.world
    saver.wait()
    checkpoint = newest(saver.store, world, until)
    if checkpoint is None:
        return False
    restore(session, for_this_process(session, checkpoint))
    session.logs.keep_at_rank_0(session.parts.strategy.data_world)
    saver.continue_at(None if position.boundary_pending else position.step)
    if until is not None and world.is_main:
        saver.store.forget_after(position.step)
        saver.store.record(position.step)
        saver.store.point()
    return True


def newest(store: CheckpointStore, world: World, until: int | None) -> Checkpoint | None:
    """The newest good checkpoint; several processes come to it together, each verifying a share of the files."""
    return (store if world.size == 1 else SharedStore(store.folder, world)).latest(until)


def settle(session: Session) -> None:
    """Leave the checkpoints as saving left them: a process may have been killed between writing one and what follows from that."""
    saver, position = session.parts.saver, session.position
    saver.store.forget_after(position.step)
    saver.store.record(position.step)
    saver.store.prune(saver.retention.before_row(position.last_row[0]))
    saver.store.point()
