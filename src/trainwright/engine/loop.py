"""The training loop, in the order in which things happen."""

from __future__ import annotations

import logging
import time
from typing import NoReturn, cast

from torch import Tensor

from trainwright.config.clock import process_seconds
from trainwright.config.errors import FOREIGN
from trainwright.data.ended import DataEnded
from trainwright.engine.boundary import boundary, leave
from trainwright.engine.interrupt import Waited
from trainwright.engine.manual import manual_step
from trainwright.engine.pieces import order_of
from trainwright.engine.recovery import Rollback, settled
from trainwright.engine.session import Session
from trainwright.engine.step import mean_of, micro_batches
from trainwright.engine.step_result import as_loss
from trainwright.engine.system import Batch, Loss, NoStep, StepContext, rows_in
from trainwright.optim.base import RedoingOptimizer
from trainwright.optim.clipping import clip_gradients
from trainwright.optim.norm_statistics import held_norm_statistics

log = logging.getLogger("trainwright.engine")


def train(session: Session) -> None:
    """Train until something ends the run. Raises Interrupted once the run was saved because of a signal."""
    session.seeds.hooks("boundary", session.batches_seen)
    for hook in session.hooks.on_train_start:
        hook(session, session.system)
    if session.boundary_pending or session.limit_reached():
        boundary(session)  # an evaluation that a signal cut short, or a run without a step left to make
    session.plan_next_boundary()
    session.first_step_after = process_seconds()
    if session.on_first_step is not None:
        session.on_first_step()
    with session.timing.phase("train"):
        while not session.stopped_because:
            try:
                train_epoch(session)
            except Rollback:
                continue  # the session is where its last checkpoint was
        if session.evaluated_at != session.step:
            boundary(session)  # a hook stopped the run before it began, or while a row was logged or a checkpoint written
    for hook in session.hooks.on_train_end:
        hook(session, session.system)


def train_epoch(session: Session) -> None:
    """The steps of this epoch that are still to be made."""
    plan = session.plan
    order = order_of(session.train, session.seed, session.epoch, plan.rows).to(session.order_device)
    first, session.epoch_ended_at = plan.index_of(session.batches_seen), -1
    if first == 0:
        session.seeds.hooks("epoch_start", session.batches_seen)
        for hook in session.hooks.on_train_epoch_start:
            hook(session, session.system)
    for index in range(first, plan.steps_per_epoch):
        if time.perf_counter() >= session.next_due_at:
            session.next_boundary = session.batches_seen + 1  # something is due by the clock: after this step
        start, end = plan.bounds(index)
        if session.batches_seen not in session.skipped_batches:
            session.before_batch()
            try:
                batch = session.placed(session.feed.take(order[start:end], plan, session.batches_seen))
            except DataEnded:
                ended(session)
                return
            except (Waited, *FOREIGN) as error:
                leave_without_data(session, error)
            train_step(session, batch, index, rows=end - start)
        session.batches_seen += 1
        if session.batches_seen >= session.next_boundary or session.interrupts.requested:
            boundary(session)  # log, evaluate, save, stop
            if session.stopped_because:
                return


def leave_without_data(session: Session, error: BaseException) -> NoReturn:
    """Save and leave, where a signal ended the wait for data or what gives them, as one to the whole group does; else raise the error."""
    if not session.interrupts.requested:
        raise error
    if not isinstance(error, Waited):
        log.warning("the data could not be read any more after the signal: %s", error)
    leave(session)


def ended(session: Session) -> None:
    """End the run because a stream that can be read once was read."""
    session.stop("data_ended")
    boundary(session)


def train_step(session: Session, batch: Batch, index: int, rows: int) -> None:
    """One optimizer update from the rows of `batch`, whole or in micro-batches: the same gradient either way."""
    hooks, system = session.hooks, session.system
    if hooks.on_train_batch_start:
        session.seeds.hooks("batch_start", session.batches_seen)
    for hook in hooks.on_train_batch_start:
        if hook(session, system, batch, index) == -1:
            return session.skip_rest_of_epoch()
    session.freezing.apply(session.step)
    context = session.context()  # seeds the generators from (seed, batch number): nothing to save, and a step can be redone
    if session.update_step is not None:
        session.update_step(context)
    try:
        if session.manual:
            manual_step(session, batch, context)
        elif settled(session, gradient, batch, rows, context):
            update(session, batch, rows, context)
        else:
            return None  # not finite, and left out by request
    except NoStep:
        session.skipped_batches.add(session.batches_seen)
        return session.optimizer.zero_grad()
    session.after_step(context)
    for hook in hooks.on_train_batch_end:
        hook(session, system, batch, index)
    return None


def update(session: Session, batch: Batch, rows: int, context: StepContext) -> None:
    """The optimizer's update from the gradients there are, and what follows it."""
    hooks, system, optimizer = session.hooks, session.system, session.optimizer
    for hook in hooks.on_before_optimizer_step:
        hook(session, system)
    session.saver.wait_for_snapshot()
    session.rates.apply(session.step)
    if optimizer.redoes:
        cast(RedoingOptimizer, optimizer).step_with(lambda: again(session, batch, rows, context), mean_of(session.losses))
    else:
        optimizer.step()
    if session.averages is not None:
        session.averages.update(session.step + 1)
    for hook in hooks.on_before_zero_grad:
        hook(session, system)
    optimizer.zero_grad()
    session.step += 1


def gradient(session: Session, batch: Batch, rows: int, context: StepContext) -> list[Loss]:
    """The gradient of the mean loss over the items of the step, clipped, in `.grad`; returns the losses of its pieces."""
    hooks, system = session.hooks, session.system
    losses: list[Loss] = []
    items: int | Tensor = 0
    whole = rows <= session.plan.micro_batch_size
    for micro_batch in micro_batches(batch, rows, session.plan.micro_batch_size):
        with session.forward():
            value = system.training_step(micro_batch, context)
            loss = value if type(value) is Loss else as_loss(value, rows_in(micro_batch), session.weights_at(context))
        for hook in hooks.on_before_backward:
            hook(session, system, loss)
        session.backward(loss, rows, session.scale, whole)
        for hook in hooks.on_after_backward:
            hook(session, system)
        items = items + (rows if whole and loss.mean is not None else loss.count)
        losses.append(loss)
    if isinstance(items, Tensor) or items != rows:
        session.backward.finish(session.gradients(), rows, items)
    session.unscale()
    logged = session.batches_seen + 1 >= session.next_boundary
    session.gradient_hooks.apply(measure=logged)
    if session.measures_norm or logged:
        session.gradient_norm = clip_gradients(session.optimizer.parameters(), session.config.clip)
    return losses


def again(session: Session, batch: Batch, rows: int, context: StepContext) -> Tensor:
    """The gradient of the same rows with the same randomness at other weights, for optimizers that ask for it; returns the mean loss."""
    session.optimizer.zero_grad()
    session.seeds.step(session.batches_seen)
    with held_norm_statistics(session.system):  # type: ignore[arg-type]
        return mean_of(gradient(session, batch, rows, context))
