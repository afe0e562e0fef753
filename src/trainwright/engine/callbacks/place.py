"""Where a callback is in its run: whether a row follows, and the folder that its files go to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.engine.system import Batch, rows_in

if TYPE_CHECKING:
    from trainwright.engine.session import Session


def row_follows(session: Session, step: int) -> bool:
    """Whether a row is logged once the batch at hand has made the update number `step` (counted from 1); most calls are one comparison."""
    batches_seen, plan = session.batches_seen + 1, session.plan
    if batches_seen < session.clock.next_boundary:
        return False
    over = plan.max_steps is not None and (batches_seen if plan.limit == "max_epochs" else step) >= plan.max_steps
    over = over or (plan.max_seconds is not None and session.clock.elapsed() >= plan.max_seconds)
    ending = over or bool(session.stopped_because)
    return ending or session.clock.log_interval.due(step, batches_seen) or session.clock.evaluation_interval.due(step, batches_seen)


def rows_of_step(session: Session, batch: Batch, index: int) -> int:
    """The rows of the step on batch number `index` of the epoch, over all processes; `batch` is what this one reads of it."""
    if session.world_size == 1 or session.plan.ready:
        return rows_in(batch)
    start, end = session.plan.bounds(index)
    return end - start


def pieces_here(session: Session, rows: int) -> tuple[int, int]:
    """Rows, and micro-batches, of a step of `rows` rows that this process takes."""
    plan = session.plan
    if session.world_size == 1 or plan.ready:
        return rows, -(-rows // plan.micro_batch_size)
    share = session.parts.dealer.share_of(plan, rows)
    lengths = [end - start for start, end in share.places[: share.real]]
    return sum(lengths), sum(-(-each // plan.micro_batch_size) for each in lengths)


def run_folder(session: Session) -> Path:
    """The directory of the run."""
    return session.parts.saver.store.folder.parent


def evaluation_follows(session: Session, step: int) -> bool:
    """Whether an evaluation is made once the batch at hand has made the update number `step`, as far as that is known before it."""
    return row_follows(session, step) and (
        bool(session.stopped_because)
        or session.clock.evaluation_interval.due(step, session.batches_seen + 1)
        or (session.plan.max_steps is not None and step >= session.plan.max_steps)
    )
