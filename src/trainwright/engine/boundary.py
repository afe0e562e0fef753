"""Between two steps: log, evaluate, save, stop, in this order. Only here does the host wait for the device."""

from __future__ import annotations

import logging
from typing import NoReturn

from trainwright.config.errors import Interrupted, TrainwrightError
from trainwright.data.rows import Rows
from trainwright.engine.evaluation import EvaluationInterrupted, outputs_of
from trainwright.engine.finite import check_finite
from trainwright.engine.session import Session
from trainwright.engine.system import Moment

log = logging.getLogger("trainwright.engine")


def boundary(session: Session) -> None:
    """Do what is due after `session.step` updates. Raises Interrupted once the run was saved because of a signal."""
    reached = session.limit_reached()
    ending = bool(reached or session.stopped_because or session.boundary_pending)
    evaluating = session.evaluated_at != session.step and (ending or session.evaluate_cadence.due(session.step))
    if evaluating or (session.log_cadence.due(session.step) and session.last_row[0] != session.step):
        row = loss_row(session)
        if evaluating:
            try:
                row |= evaluate(session)
            except EvaluationInterrupted:
                session.boundary_pending = True
                leave(session)
        log_row(session, row)
    session.boundary_pending = False
    if session.step % session.plan.steps_per_epoch == 0:
        for hook in session.hooks.on_train_epoch_end:
            hook(session, session.system)
    if reached:
        session.stop(reached)
    if session.interrupts.requested and not session.stopped_because:
        leave(session)
    save_if_due(session, evaluated=evaluating)
    session.plan_next_boundary()


def save_if_due(session: Session, *, evaluated: bool) -> None:
    """Write a checkpoint if one is due; else hold the weights in memory, should they be among the best."""
    if session.saver.due(session, evaluated):
        check_now(session)
        if session.saver.save(session):
            return
    session.saver.hold(session)


def leave(session: Session) -> NoReturn:
    """Save, and raise Interrupted with the command that continues; TrainwrightError when the disk refuses."""
    check_now(session)
    name = session.interrupts.name
    if not session.saver.save(session):
        why = "the checkpoint could not be written; an earlier one may be there"
        raise TrainwrightError(
            f"{name}: stopped at step {session.step} without saving", why=why, fix=f"free some space, then: {session.continue_with}"
        )
    raise Interrupted(f"{name}: stopped and saved at step {session.step}", fix=f"continue with: {session.continue_with}")


def check_now(session: Session) -> None:
    """Raise NotFinite when the loss since the last row is not finite: weights like that are not saved over good ones."""
    since = session.last_row[0]
    if session.config.finite_check and session.step > since:
        mean = session.running_loss.means()["loss"]
        check_finite(mean, step=session.step, since=since, learning_rate=session.optimizer.learning_rate)


def loss_row(session: Session) -> dict[str, float]:
    """The row of this step without an evaluation: training loss since the last row, learning rate, gradient norm, speed."""
    check_now(session)
    since, trained = session.last_row
    means = session.running_loss.means() if session.step > since else {}
    seconds = session.timing.read()
    row: dict[str, float] = {
        "step": session.step,
        "epoch": -(-session.step // session.plan.steps_per_epoch),
        "seconds": round(sum(seconds.values()), 3),
    }
    row |= {f"train/{name}": value for name, value in means.items()}
    row["learning_rate"] = session.optimizer.learning_rate
    if session.gradient_norm is not None:
        row["gradient_norm"] = float(session.gradient_norm)
    row["samples_per_second"] = round(session.rows_between(since, session.step) / max(seconds["train"] - trained, 1e-9), 1)
    return row


def evaluate(session: Session) -> dict[str, float]:
    """Metrics of the last epoch's worth of training rows and of the validation split, heard by best weights, schedule and callbacks."""
    found: dict[str, float] = {}
    for hook in session.hooks.on_validation_start:
        hook(session, session.system)
    with session.timing.phase("evaluate"):
        metrics = {} if session.validation is None else metrics_of(session, session.validation)
        running = session.running_outputs.tensors()
        if running:
            found |= {f"train/{name}": value for name, value in session.system.metrics(running).items()}
    session.running_outputs.reset()
    session.evaluate_cadence.done()
    session.evaluated_at = session.step
    if session.validation is not None:
        value = session.monitor.value(metrics)
        session.saver.best_found(session, value)
        session.schedule.observe(value)
        for hook in session.hooks.on_validation_end:
            hook(session, session.system, metrics)
    return found | {f"validation/{name}": value for name, value in metrics.items()}


def metrics_of(session: Session, rows: Rows) -> dict[str, float]:
    """Metrics of a split with the weights as they are. Raises EvaluationInterrupted when a signal comes."""
    session.seeds.evaluation(session.step)
    outputs = outputs_of(
        session.system,
        rows,
        batch_size=session.config.evaluation_batch_size,
        device=session.device,
        moment=Moment(session.step, session.epoch, session.fraction, session.seeds.generator),
        interrupted=lambda: bool(session.interrupts.requested),
    )
    return session.system.metrics(outputs)


def log_row(session: Session, row: dict[str, float]) -> None:
    """Hand a row to the history, the trackers and the callbacks, and begin the next."""
    session.running_loss.reset()
    session.last_row = (session.step, session.timing.read()["train"])
    session.log_cadence.done()
    session.history.append(row)
    for tracker in session.trackers:
        try:
            tracker.log(row)
        except OSError as error:
            log.warning("%s: the row of step %d is not written: %s", type(tracker).__name__, session.step, error.strerror or error)
    for hook in session.hooks.on_log:
        hook(session, row)
