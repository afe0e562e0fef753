"""How a run begins: from its newest checkpoint, or with the first step; never with the first step over steps that are on record."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainwright.config.errors import RunError
from trainwright.engine.fingerprint import know_data
from trainwright.engine.past import check_past
from trainwright.engine.saving.kinds import refuse_going_on, say_kind
from trainwright.engine.saving.resuming import resume as go_on
from trainwright.engine.saving.resuming import settle
from trainwright.runs.ways_on import from_its_weights
from trainwright.tracking.csv import FILE, read_rows
from trainwright.weights.begun import write_reports

if TYPE_CHECKING:
    from trainwright.engine.session import Session
    from trainwright.engine.system import System

log = logging.getLogger("trainwright.engine")


def begin(session: Session, resume: bool, initial_checkpoint: bool) -> None:
    """Continue from a checkpoint or begin; nothing is written before the place was tried.

    Raises RunError where checkpoints are and `resume` is not asked for, where all are lost, and where the run is longer than it is to be.
    """
    store, forked = session.parts.saver.store, session.position.fork
    writes = session.config.checkpoint.type != "none"
    session.parts.saver.prepare(session)
    if writes:
        session.parts.world.first(store.prepare)
    if not resume and store.list_manifests():
        fix = "continue it with resume, or choose another place"
        raise RunError("there are checkpoints of a run here already", where=str(store.folder), fix=fix)
    know_data(session)
    continued = resume and go_on(session)
    if not continued:
        refuse_lost(session, resume, initial_checkpoint)
    elif not forked and store.newest_written() > session.step:
        what = "%s: a checkpoint of step %d was written and cannot be used; going on from step %d"
        log.warning(what, session.folder, store.newest_written(), session.step)
    refuse_shorter(session)
    check_past(session, session.position.saved_extent, str(store.folder))
    for tracker in session.parts.trackers:
        session.logs.history = tracker.begin(session.step) or session.history
    world = session.parts.world
    session.logs.history = world.broadcast(session.history)
    world.barrier()  # nothing is written before all processes have looked at what is there
    if continued:
        world.first(lambda: settle(session))
    first = (initial_checkpoint or session.config.recovery.rolls_back) and not continued and session.parts.saver.resumable
    if (forked or first) and writes and not session.parts.saver.save(session):
        raise RunError("the first checkpoint cannot be written", where=str(store.folder), fix="free some space, or choose another place")
    session.parts.saver.begin(session)
    if not continued and world.is_main:
        for report in write_reports(session.folder, session.system):
            log.debug("%s", report.summary())  # said when they were loaded, before the run had a log
    say_kind(session)


def refuse_lost(session: Session, resume: bool, initial_checkpoint: bool) -> None:
    """Raise RunError for a run that has made steps and whose checkpoints are gone; say so where one asked to be continued has none yet."""
    store, folder = session.parts.saver.store, session.folder
    logged = max((int(row["step"]) for row in read_rows(folder / FILE)), default=0)
    saved = max((store.newest_written(), *(each.step for each in store.list_manifests())))
    refuse_going_on(session, max(saved, logged))
    if saved > 0 or (initial_checkpoint and logged):
        why = f"it has made {max(saved, logged)} steps, and no checkpoint that can be continued is in {store.folder.name}/"
        weights = any(each.kind == "weights" for each in store.list_manifests()) or (folder / "model").is_dir()
        begin = from_its_weights(folder) if weights else ""
        rest = f" from its weights: {begin}" if begin else ""
        fix = f"put its checkpoints back from a copy, or begin another run in another place{rest}"
        raise RunError("the checkpoints of this run are gone", where=str(folder), why=why, fix=fix)
    if logged:
        log.warning("%s: it ended before its first checkpoint; its %d steps are made again", folder, logged)
    elif resume:
        log.warning("%s: nothing to continue yet; the run begins", folder)


def refuse_shorter(session: Session) -> None:
    """Raise RunError when a run is to end before where it is."""
    plan = session.plan
    done = session.batches_seen if plan.limit == "max_epochs" else session.step
    if plan.max_steps is not None and done > plan.max_steps:
        why = f"it has made {session.step} steps, and is asked to end at {max(plan.max_steps, 0)}"
        raise RunError("this run is longer already", where=f"trainer.{plan.limit}", why=why, fix="ask for more")


def say_untrained(system: System, before: set[int]) -> None:
    """Say which parameters the hooks made that begin a run (`setup`, `on_fit_start`): the optimizer, made before, does not train them."""
    late = [name for name, each in system.named_parameters() if each.requires_grad and id(each) not in before]
    if late:
        names = ", ".join(late[:6]) + (f", … ({len(late)} in all)" if len(late) > 6 else "")
        fix = "make what is to be trained in the constructor or in build(spec), and freeze the rest: requires_grad_(False)"
        log.warning("made by setup or on_fit_start, and not trained: %s; %s", names, fix)


def say_untold(session: Session) -> None:
    """Say before the first step which parts of the data follow the run and are read by processes that cannot be told."""
    workers = session.parts.feed.reading_elsewhere
    if workers and session.parts.followers.data.ids:
        names = ", ".join(session.parts.followers.data.names)
        fix = "read them in this process (no workers), or keep what they need in shared memory"
        log.warning("%s in the training data: the copies in %d worker processes are not told of steps; %s", names, workers, fix)
