"""Between two steps: log, evaluate, save, stop, in this order. Only here does the host wait for the device."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from trainwright.config.errors import Interrupted
from trainwright.engine.evaluation import EvaluationInterrupted, outputs_of
from trainwright.engine.finite import check_finite
from trainwright.engine.session import Session
from trainwright.engine.system import Moment

log = logging.getLogger("trainwright.engine")


def boundary(session: Session) -> None:
    """Do what is due after `session.step` updates. Raises Interrupted once the run was saved because of a signal."""
    reached = session.limit_reached()
    evaluating = bool(reached) or session.boundary_pending or session.evaluate_cadence.due(session.step)
    if evaluating or session.log_cadence.due(session.step):
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
    if session.interrupts.requested:
        leave(session)
    session.save(session, evaluated=evaluating)
    session.plan_next_boundary()


def leave(session: Session) -> None:
    """Save and raise Interrupted with the command that continues."""
    saved = session.save(session, now=True)
    if not saved:
        raise Interrupted(f"{session.interrupts.name}: stopped at step {session.step}, which could not be saved", fix=session.continue_with)
    raise Interrupted(f"{session.interrupts.name}: stopped and saved at step {session.step}", fix=f"continue with: {session.continue_with}")


def loss_row(session: Session) -> dict[str, float]:
    """The row of this step without an evaluation: training loss since the last row, learning rate, gradient norm, speed."""
    means = session.running_loss.means()
    since, trained = session.last_row
    seconds = session.timing.read()["train"]
    if session.config.finite_check and session.step > since:
        check_finite(means["loss"], step=session.step, since=since, learning_rate=session.optimizer.learning_rate)
    row: dict[str, float] = {"step": session.step, "epoch": -(-session.step // session.plan.steps_per_epoch), "seconds": round(session.elapsed(), 3)}
    row |= {f"train/{name}": value for name, value in means.items()}
    row["learning_rate"] = session.optimizer.learning_rate
    if session.gradient_norm is not None:
        row["gradient_norm"] = float(session.gradient_norm)
    row["samples_per_second"] = round(session.rows_between(since, session.step) / max(seconds - trained, 1e-9), 1)
    return row


def evaluate(session: Session) -> dict[str, float]:
    """Training metrics of the last epoch's worth of rows and those of the validation split; best weights, schedule and callbacks hear of it."""
    found = {f"train/{name}": value for name, value in session.system.metrics(running).items()} if (running := session.running_outputs.tensors()) else {}
    if session.validation is None:
        session.running_outputs.reset()
        session.evaluate_cadence.done()
        return found
    for hook in session.hooks.on_validation_start:
        hook(session, session.system)
    with session.timing.phase("evaluate"):
        metrics = validation_metrics(session)
    session.running_outputs.reset()
    session.evaluate_cadence.done()
    value = session.monitor.value(metrics)
    session.best_weights.offer(session, value)
    session.schedule.observe(value)
    for hook in session.hooks.on_validation_end:
        hook(session, session.system, metrics)
    return found | {f"validation/{name}": each for name, each in metrics.items()}


def validation_metrics(session: Session) -> Mapping[str, float]:
    """Metrics of the validation split with the weights as they are."""
    session.seeds.evaluation(session.step)
    outputs = outputs_of(
        session.system,
        session.validation,
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
        tracker.log(row)
    for hook in session.hooks.on_log:
        hook(session, row)
