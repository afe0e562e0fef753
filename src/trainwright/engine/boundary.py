"""Between two steps: log, evaluate, save, stop, in this order. Only here does the host wait for the device."""

from __future__ import annotations

import logging
from typing import NoReturn

from trainwright.config.errors import Interrupted, TrainwrightError
from trainwright.engine.evaluation import EvaluationInterrupted, metrics_of
from trainwright.engine.interrupt import requeue
from trainwright.engine.recovery import judge, weights_finite
from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")


def boundary(session: Session) -> None:
    """Do what is due after `session.step` updates. Raises Interrupted once the run was saved because of a signal."""
    session.seeds.hooks("boundary", session.batches_seen)
    reached = session.limit_reached()
    ending = bool(reached or session.stopped_because or session.boundary_pending)
    evaluating = session.evaluated_at != session.step and (ending or session.evaluation_interval.due(session.step, session.batches_seen))
    if evaluating or (session.log_interval.due(session.step, session.batches_seen) and session.last_row[0] != session.step):
        row = loss_row(session, evaluating)
        if evaluating:
            try:
                row |= evaluate(session, {name: value for name, value in row.items() if name.startswith("train/")})
                if session.growth is not None:
                    session.growth.observe(row)
            except EvaluationInterrupted:
                session.boundary_pending = True
                leave(session)
        log_row(session, row, evaluating)
    session.boundary_pending = False
    if session.plan.index_of(session.batches_seen) == 0 and session.epoch_ended_at != session.batches_seen:
        session.epoch_ended_at = session.batches_seen
        for hook in session.hooks.on_train_epoch_end:
            hook(session, session.system)
        grow(session)
    if reached:
        session.stop(reached)
    if session.interrupts.requested and not session.stopped_because:
        leave(session)
    save_if_due(session, evaluated=evaluating)
    session.plan_next_boundary()


def grow(session: Session) -> None:
    """From this epoch's end on a larger batch, where growth is due."""
    if session.growth is None or reached_end(session):
        return
    plan = session.growth.at_epoch_end(session.plan, session.batches_seen)
    if plan is not None:
        session.replan(plan)
        session.growth.apply(session.optimizer, session.base_learning_rate)


def reached_end(session: Session) -> bool:
    """Whether the run ends here."""
    return bool(session.stopped_because or session.limit_reached())


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
    requeued = requeue() if session.interrupts.requeues else ""
    raise Interrupted(f"{name}: stopped and saved at step {session.step}{requeued}", fix=f"continue with: {session.continue_with}")


def check_now(session: Session, weights: bool = True) -> None:
    """Raise NotFinite or Rollback when the loss since the last row or a weight is not finite: such weights are never saved."""
    if session.step > session.last_row[0] and session.running_loss.steps:
        judge(session, session.running_loss.means()["loss"])
    if weights and session.config.recovery.not_finite != "ignore" and not bool(weights_finite(session)):
        judge(session, float("nan"))


def loss_row(session: Session, evaluating: bool = False) -> dict[str, float]:
    """The row of this step without an evaluation: learning rate, gradient norm, speed, and the training loss since the last row; with an
    evaluation, as all training metrics, since the last evaluation."""
    check_now(session, weights=evaluating)
    since, trained = session.last_row
    means = session.running_loss.means() if session.step > since and session.running_loss.steps else {}
    if session.spikes is not None and means:
        session.spikes.hear(session, means)
    seconds = session.timing.read()
    row: dict[str, float] = {
        "step": session.step,
        "epoch": session.plan.epoch_of(max(session.batches_seen - 1, 0)) + 1 if session.batches_seen else 0,
        "seconds": round(sum(seconds.values()), 3),
    }
    if evaluating:
        means = session.running_loss.means_since_evaluation()
    row |= {f"train/{name}": value for name, value in means.items()}
    row["learning_rate"], *_ = [*session.rates.own().values(), session.optimizer.learning_rate]
    row |= {f"learning_rate/{name}": rate for name, rate in session.rates.applied().items()}
    if session.gradient_norm is not None:
        row["gradient_norm"] = float(session.gradient_norm)
    row |= {name: float(norm) for name, norm in session.gradient_hooks.logged().items()}
    row |= session.running_values.values()
    row["samples_per_second"] = round(
        session.rows_between(session.last_tick, session.batches_seen) / max(seconds["train"] - trained, 1e-9), 1
    )
    return row


def evaluate(session: Session, trained: dict[str, float]) -> dict[str, float]:
    """Metrics of the training rows since the last evaluation and of the validation split, heard by best weights, schedule and callbacks."""
    for hook in session.hooks.on_validation_start:
        hook(session, session.system)
    with session.timing.phase("evaluate"):
        metrics = {} if session.validation is None else metrics_of(session, session.validation, "validation")
        found = trained | {f"train/{name}": value for name, value in session.running_metrics.values().items()}
    session.running_metrics.reset()
    session.evaluation_interval.done()
    session.evaluated_at = session.step
    if session.validation is not None:
        value = session.monitor.value(metrics)
        session.saver.best_found(session, value)
        session.rates.observe(value, found | {f"validation/{name}": each for name, each in metrics.items()} | metrics)
        for hook in session.hooks.on_validation_end:
            hook(session, session.system, metrics)
        if sum(bool(hook(session, session.system)) for hook in session.hooks.should_early_stop):  # every one is asked
            session.stop("early_stopping")
    return found | {f"validation/{name}": value for name, value in metrics.items()}


def log_row(session: Session, row: dict[str, float], evaluated: bool) -> None:
    """Hand a row to the history, the trackers and the callbacks, and begin the next."""
    session.running_loss.row_logged(evaluated)
    session.running_values.reset()
    session.last_row, session.last_tick = (session.step, session.timing.read()["train"]), session.batches_seen
    session.log_interval.done()
    session.history.append(row)
    for tracker in session.trackers:
        try:
            tracker.log(row)
        except OSError as error:
            log.warning("%s: the row of step %d is not written: %s", type(tracker).__name__, session.step, error.strerror or error)
    for hook in session.hooks.on_log:
        hook(session, row)
