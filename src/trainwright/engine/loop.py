"""The training loop, in the order in which things happen."""

from __future__ import annotations

import time

from torch import Tensor

from trainwright.data.order import epoch_order
from trainwright.engine.boundary import boundary
from trainwright.engine.evaluation import to_device
from trainwright.engine.session import Session
from trainwright.engine.step import clip, micro_batches
from trainwright.engine.system import Batch


def train(session: Session) -> None:
    """Train until something ends the run. Raises Interrupted once the run was saved because of a signal."""
    for hook in session.hooks.on_train_start:
        hook(session, session.system)
    if session.boundary_pending or session.limit_reached():
        boundary(session)  # an evaluation that a signal cut short, or a run without a step left to make
    session.plan_next_boundary()
    session.first_step_at = time.time()
    if session.on_first_step is not None:
        session.on_first_step()
    with session.timing.phase("train"):
        while not session.stopped_because:
            train_epoch(session)
    for hook in session.hooks.on_train_end:
        hook(session, session.system)


def train_epoch(session: Session) -> None:
    """The steps of this epoch that are still to be made."""
    plan = session.plan
    order = epoch_order(session.seed, session.epoch, plan.rows).to(session.order_device)
    first = session.step % plan.steps_per_epoch
    if first == 0:
        for hook in session.hooks.on_train_epoch_start:
            hook(session, session.system)
    for index in range(first, plan.steps_per_epoch):
        start, end = plan.bounds(index)
        batch = to_device(session.train.take(order[start:end]), session.device)
        train_step(session, batch, index, rows=end - start)
        if session.step >= session.next_boundary or session.interrupts.requested:
            boundary(session)  # log, evaluate, save, stop
            if session.stopped_because:
                return


def train_step(session: Session, batch: Batch, index: int, rows: int) -> None:
    """One optimizer update from the rows of `batch`, whole or in micro-batches: the same gradient either way."""
    hooks, system, optimizer = session.hooks, session.system, session.optimizer
    for hook in hooks.on_train_batch_start:
        hook(session, system, batch, index)
    moment = session.moment()  # seeds the generators from (seed, step): nothing to save, and a step can be redone
    if session.update_step is not None:
        session.update_step(moment)
    items: int | Tensor = 0
    for micro_batch in micro_batches(batch, rows, session.plan.micro_batch_size):
        loss = system.training_step(micro_batch, moment)
        for hook in hooks.on_before_backward:
            hook(session, system, loss)
        session.backward(loss, rows)
        for hook in hooks.on_after_backward:
            hook(session, system)
        items = items + loss.count
        session.running_loss.add(loss)
        session.running_outputs.add(loss.outputs)
    if isinstance(items, Tensor) or items != rows:
        session.backward.finish(session.gradients(), rows, items)
    if session.clips or session.step + 1 >= session.next_boundary:
        session.gradient_norm = clip(session.gradients(), session.config.clip)
    for hook in hooks.on_before_optimizer_step:
        hook(session, system)
    optimizer.learning_rate = optimizer.base_learning_rate * session.schedule.factor(session.step)
    optimizer.step()
    for hook in hooks.on_before_zero_grad:
        hook(session, system)
    optimizer.zero_grad()
    session.step += 1
    for hook in hooks.on_train_batch_end:
        hook(session, system, batch, index)
