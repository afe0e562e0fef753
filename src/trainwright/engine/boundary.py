"""Between two steps: log, evaluate, sample, save, stop, in this order. Only here does the host wait for the device."""

from __future__ import annotations

import logging
import math
from typing import NoReturn

from trainwright.config.errors import Interrupted, TrainwrightError
from trainwright.engine.clock import Phase
from trainwright.engine.evaluation import EvaluationInterrupted, metrics_of
from trainwright.engine.interrupt import requeue
from trainwright.engine.recovery import check_now
from trainwright.engine.saving.kinds import stop_error
from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")


def boundary(session: Session) -> None:
    """Do what is due after `session.step` updates. Raises Interrupted once the run was saved because of a signal."""
    position, parts, clock = session.position, session.parts, session.clock
    clock.phase = Phase.AT_BOUNDARY
    parts.seeds.hooks("boundary", position.batches_seen)
    reached, evaluating, logging_now, sampling = parts.world.first(lambda: due_now(session))  # of several processes rank 0's clock says so
    if evaluating or logging_now:
        if parts.world.size > 1:
            session.logs.running_values.gather(parts.strategy.data_world)
        row = parts.world.broadcast(loss_row(session, evaluating))
        if evaluating:
            row = evaluated_row(session, row)
        log_row(session, row, evaluating)
    position.boundary_pending = False
    if sampling and parts.sampler is not None:
        parts.sampler.sample(session)
    end_epoch(session, ending=bool(reached))
    if reached:
        session.end(reached)
    if parts.agreement is not None:
        parts.agreement.settle_wishes(session)
    if parts.interrupts.requested and not position.stopped_because:
        leave(session)
    save_if_due(session, evaluated=evaluating)
    session.plan_next_boundary()
    clock.phase = Phase.BETWEEN_STEPS


def due_now(session: Session) -> tuple[str, bool, bool, bool]:
    """What ends the run by its length, whether the validation split is measured now, a row is logged, and samples are made."""
    reached, sampler = session.limit_reached(), session.parts.sampler
    return reached, evaluation_due(session, reached), log_due(session), sampler is not None and sampler.due(session)


def evaluation_due(session: Session, reached: str) -> bool:
    """Whether the validation split is measured now: when it is time, and at the end of the run, once per step."""
    position = session.position
    if position.evaluated_at == position.step:
        return False
    ending = bool(reached or position.stopped_because or position.boundary_pending)
    return ending or session.clock.evaluation_interval.due(position.step, position.batches_seen)


def log_due(session: Session) -> bool:
    """Whether a row is logged now, once per step."""
    position = session.position
    return position.last_row[0] != position.step and session.clock.log_interval.due(position.step, position.batches_seen)


def evaluated_row(session: Session, row: dict[str, float]) -> dict[str, float]:
    """The row with the metrics of an evaluation; one that a signal cuts short is done first when the run continues."""
    try:
        row |= evaluate(session, {name: value for name, value in row.items() if name.startswith("train/")})
    except EvaluationInterrupted:
        session.position.boundary_pending = True
        leave(session)
    if session.parts.growth is not None:
        session.parts.growth.observe(row)
    return row


def end_epoch(session: Session, ending: bool) -> None:
    """Tell hooks of the end of an epoch, once, and let the batch grow, unless the run ends here."""
    position, parts = session.position, session.parts
    if position.plan.index_of(position.batches_seen) != 0 or position.epoch_ended_at == position.batches_seen:
        return
    position.epoch_ended_at = position.batches_seen
    for hook in parts.hooks.on_train_epoch_end:
        hook(session, parts.system)
    if not (ending or position.stopped_because):
        grow(session)


def grow(session: Session) -> None:
    """From this epoch's end on a larger batch, where growth is due."""
    parts = session.parts
    if parts.growth is None:
        return
    plan = parts.growth.at_epoch_end(session.position.plan, session.position.batches_seen)
    if plan is not None:
        session.replan(plan)
        parts.growth.apply(parts.optimizer, parts.base_learning_rate)


def save_if_due(session: Session, *, evaluated: bool) -> None:
    """Write a checkpoint if one is due; else hold the weights in memory, should they be among the best."""
    saver, world, saved = session.parts.saver, session.parts.world, False
    if saver.due(session, evaluated):
        check_now(session)
        session.parts.norms.settle()
        session.logs.gather_at_rank_0(session.parts.strategy.data_world)
        saved = saver.save(session)
        session.parts.events.tell("save", session.step, begun=saved)
    if not (saved and (world.is_main or saver.together)):  # what rank 0 alone has on disk the others have in memory
        saver.hold(session)


def leave(session: Session) -> NoReturn:
    """Save, and raise Interrupted with the command that continues; TrainwrightError when the disk refuses, or the run keeps none."""
    check_now(session)
    session.parts.norms.settle()
    parts, step = session.parts, session.position.step
    name = parts.interrupts.name
    session.logs.gather_at_rank_0(parts.strategy.data_world)
    parts.events.tell("signal", step, rank=parts.interrupts.heard_by, signal=name)
    saved = parts.saver.save(session)
    parts.events.tell("save", step, begun=saved)
    if not parts.saver.resumable:
        raise stop_error(session, name, saved)
    if not saved:
        why = "the checkpoint could not be written; an earlier one may be there"
        fix = f"free some space, then: {parts.continue_with}"
        raise TrainwrightError(f"{name}: stopped at step {step} without saving", why=why, fix=fix)
    requeued = parts.world.first(requeue) if parts.interrupts.requeues else ""
    raise Interrupted(f"{name}: stopped and saved at step {step}{requeued}", fix=f"continue with: {parts.continue_with}")


def loss_row(session: Session, evaluating: bool = False) -> dict[str, float]:
    """The row of this step without an evaluation: learning rate, gradient norm, speed, and the training loss since the last row; with an
    evaluation, as all training metrics, since the last evaluation."""
    check_now(session, weights=evaluating)
    position, parts, logs = session.position, session.parts, session.logs
    since, trained = position.last_row
    means = logs.running_loss.means() if position.step > since and logs.running_loss.has_steps() else {}
    if parts.spikes is not None and means:
        parts.spikes.hear(session, means)
    seconds = session.clock.timing.read()
    row: dict[str, float] = {
        "step": position.step,
        "epoch": position.plan.epoch_of(max(position.batches_seen - 1, 0)) + 1 if position.batches_seen else 0,
        "seconds": round(sum(seconds.values()), 3),
    }
    if evaluating:
        means = logs.running_loss.means_since_evaluation()
    row |= {f"train/{name}": value for name, value in means.items()}
    row["learning_rate"], *_ = [*parts.rates.own().values(), parts.optimizer.learning_rate]
    row |= {f"learning_rate/{name}": rate for name, rate in parts.rates.list_rates().items()}
    if logs.gradient_norm is not None:
        row["gradient_norm"] = float(logs.gradient_norm)
    row |= {name: float(norm) for name, norm in parts.gradient_hooks.collect_norms().items()}
    row |= logs.running_values.values()
    row["samples_per_second"] = round(position.rows_since_last_row(position.batches_seen) / max(seconds["train"] - trained, 1e-9), 1)
    return row


def evaluate(session: Session, trained: dict[str, float]) -> dict[str, float]:
    """Metrics of the training rows since the last evaluation and of the validation split, heard by best weights, schedule and callbacks."""
    parts, clock, metrics_now = session.parts, session.clock, session.logs.running_metrics
    parts.norms.settle()
    for hook in parts.hooks.on_validation_start:
        hook(session, parts.system)
    with clock.timing.phase("evaluate"):
        clock.phase = Phase.EVALUATING
        metrics = {} if parts.validation is None else metrics_of(session, parts.validation, "validation")
        clock.phase = Phase.AT_BOUNDARY
        session.logs.gather_at_rank_0(parts.strategy.data_world)
        found = parts.world.broadcast(trained | {f"train/{name}": value for name, value in metrics_now.values().items()})
    metrics_now.reset()
    parts.events.tell("evaluate", session.step, monitor=parts.monitor.name, value=parts.monitor.value(metrics) if metrics else None)
    clock.evaluation_interval.done()
    session.position.evaluated_at = session.position.step
    if parts.validation is not None:
        hear_evaluation(session, metrics, found)
    return found | {f"validation/{name}": value for name, value in metrics.items()}


def hear_evaluation(session: Session, metrics: dict[str, float], trained: dict[str, float]) -> None:
    """Let the best weights, the schedule and callbacks hear of an evaluation; any callback may end the run."""
    parts = session.parts
    value = parts.monitor.value(metrics)
    if math.isnan(value) and not parts.monitor.is_missing(metrics) and parts.system.say_once("monitored metric is NaN"):
        what = "%s is not a number at step %d: such an evaluation is never the best, and early stopping takes it for no improvement"
        log.warning(what, parts.monitor.name, session.position.step)
    parts.saver.hold_best(session.position.step, value)
    parts.rates.observe(value, trained | {f"validation/{name}": each for name, each in metrics.items()} | metrics)
    for hook in parts.hooks.on_validation_end:
        hook(session, parts.system, metrics)
    asked = [bool(hook(session, parts.system)) for hook in parts.hooks.should_early_stop]
    if parts.world.any(any(asked)):
        session.end("early_stopping")


def log_row(session: Session, row: dict[str, float], evaluated: bool) -> None:
    """Hand a row to the history, the trackers and the callbacks, and begin the next."""
    position, parts, logs, clock = session.position, session.parts, session.logs, session.clock
    logs.running_loss.begin_row(evaluated)
    logs.running_values.reset()
    position.last_row, position.batches_at_last_row = (position.step, clock.timing.read()["train"]), position.batches_seen
    clock.log_interval.done()
    logs.history.append(row)
    for tracker in parts.trackers:
        try:
            tracker.log(row)
        except OSError as error:
            log.warning("%s: the row of step %d is not written: %s", type(tracker).__name__, position.step, error.strerror or error)
    for hook in parts.hooks.on_log:
        hook(session, row)
