"""The training loop, in the order in which things happen."""

from __future__ import annotations

import logging
from itertools import zip_longest
from time import perf_counter
from typing import NoReturn, cast

from torch import Tensor

from trainwright.config.clock import process_seconds
from trainwright.config.errors import FOREIGN, ConfigError, TrainwrightError
from trainwright.data.ended import DataEnded
from trainwright.engine.boundary import boundary, leave
from trainwright.engine.clock import Phase
from trainwright.engine.dealing import MicroBatch, Share, in_micro_batches
from trainwright.engine.interrupt import Waited
from trainwright.engine.manual import manual_step
from trainwright.engine.padding_share import NAME, padding_share
from trainwright.engine.pieces import order_of
from trainwright.engine.plan import Plan
from trainwright.engine.recovery import Rollback, settle_gradient
from trainwright.engine.session import Session
from trainwright.engine.step import has_own_mean, mean_of
from trainwright.engine.step_result import as_loss
from trainwright.engine.system import Batch, Loss, NoStep, StepContext, rows_in
from trainwright.optim.base import RedoingOptimizer
from trainwright.optim.clipping import clip_gradients
from trainwright.optim.norm_statistics import hold_norm_statistics

log = logging.getLogger("trainwright.engine")


def train(session: Session) -> None:
    """Train until something ends the run. Raises Interrupted once the run was saved because of a signal."""
    position, clock, hooks, system = session.position, session.clock, session.parts.hooks, session.parts.system
    clock.phase = Phase.BETWEEN_STEPS
    session.parts.seeds.hooks("boundary", position.batches_seen)
    for hook in hooks.on_train_start:
        hook(session, system)
    if session.parts.agreement is not None:
        session.parts.agreement.settle_wishes(session)
    if position.boundary_pending or session.parts.world.first(session.limit_reached):
        boundary(session)  # an evaluation that a signal cut short, or a run without a step left to make
    session.plan_next_boundary()
    clock.first_step_after = process_seconds()
    if clock.on_first_step is not None:
        clock.on_first_step()
    with clock.timing.phase("train"):
        while not position.stopped_because:
            try:
                train_epoch(session)
            except Rollback:
                clock.phase = Phase.BETWEEN_STEPS  # the session is where its last checkpoint was
        if position.evaluated_at != position.step:
            boundary(session)  # a hook stopped the run before it began, or while a row was logged or a checkpoint written
    for hook in hooks.on_train_end:
        hook(session, system)
    clock.phase = Phase.OUTSIDE


def train_epoch(session: Session) -> None:
    """The steps of this epoch that are still to be made."""
    position, parts, clock = session.position, session.parts, session.clock
    plan, interrupts, agreement = position.plan, parts.interrupts, parts.agreement
    order = order_of(parts.train, parts.seed, position.epoch, plan).to(parts.order_device)
    first, position.epoch_ended_at = plan.index_of(position.batches_seen), -1
    began = position.step, position.skipped
    whole = not any(each >= position.batches_seen for each in position.skipped_batches)  # else a run that went back leaves some of it out
    if first == 0:
        parts.seeds.hooks("epoch_start", position.batches_seen)
        for hook in parts.hooks.on_train_epoch_start:
            hook(session, parts.system)
    for index in range(first, plan.steps_per_epoch):
        if agreement is not None:
            agreement.exchange(session)
        elif perf_counter() >= clock.next_due_at:
            clock.next_boundary = position.batches_seen + 1  # something is due by the clock: after this step
        if position.batches_seen not in position.skipped_batches:
            start, end = plan.bounds(index)
            try:
                batch = next_batch(session, order[start:end], plan)
            except DataEnded:
                batch = None
            if parts.own_streams is not None:
                batch = parts.own_streams.settle(session, batch)
            if batch is None:
                end_with_data(session)
                return
            clock.phase = Phase.IN_STEP
            train_step(session, batch, index, rows=end - start)
            clock.phase = Phase.BETWEEN_STEPS
        position.batches_seen += 1
        if position.batches_seen >= clock.next_boundary or interrupts.requested:
            boundary(session)  # log, evaluate, save, stop
            if position.stopped_because:
                return
    if first == 0 and whole and plan.limit == "max_steps" and began == (position.step, position.skipped):
        raise no_steps(plan)


def no_steps(plan: Plan) -> TrainwrightError:
    """The error of a run that would never end: as many steps are to be made, and an epoch made none."""
    why = f"none of its {plan.steps_per_epoch} batches made one, by NoStep or by -1 of on_train_batch_start: max_steps would never come"
    return TrainwrightError("an epoch ended without a step", why=why, fix="let some batches make steps, or give max_epochs")


def next_batch(session: Session, indices: Tensor, plan: Plan) -> Batch:
    """The rows of a step on the device; what follows the run in the data is told of the step before they are read."""
    parts, session.clock.phase = session.parts, Phase.READING
    if parts.followers.data.ids:
        parts.followers.data.update_step(session.context())
    try:
        batch = parts.feed.take(indices, plan, session.position.batches_seen)
    except DataEnded:
        raise
    except (Waited, *FOREIGN) as error:
        leave_without_data(session, error)
    if parts.train.padded:
        session.log(f"train/{NAME}", padding_share(batch, parts.train.padded))
    return parts.for_step(batch, plan, session.position.batches_seen)


def leave_without_data(session: Session, error: BaseException) -> NoReturn:
    """Save and leave, where a signal ended the wait for data or what gives them, as one to the whole group does; else raise the error."""
    if not session.parts.interrupts.requested:
        raise error
    if not isinstance(error, Waited):
        log.warning("the data could not be read any more after the signal: %s", error)
    leave(session)


def end_with_data(session: Session) -> None:
    """End the run because a stream that can be read once was read."""
    session.end("data_ended")
    boundary(session)


def train_step(session: Session, batch: Batch, index: int, rows: int) -> None:
    """One optimizer update from a step of `rows` rows, whole or in micro-batches, by one process or several: the same gradient each way.

    `batch` has those of them that this process reads.
    """
    position, parts = session.position, session.parts
    hooks, system = parts.hooks, parts.system
    share = parts.dealer.share_of(position.plan, rows)
    if hooks.on_train_batch_start:
        parts.seeds.hooks("batch_start", position.batches_seen)
    for hook in hooks.on_train_batch_start:
        if hook(session, system, batch, index) == -1:
            return position.skip_rest_of_epoch()
    parts.freezing.apply(position.step)
    context = session.context()  # seeds the generators from (seed, batch number): nothing to save, and a step can be redone
    if parts.followers.before_step is not None:
        parts.followers.before_step(context)
    try:
        if parts.manual:
            manual_step(session, batch, share, context)
        else:
            losses = settle_gradient(session, gradient, batch, share, context)
            if losses is None:
                return None  # not finite, and skipped by request
            update(session, batch, share, context, losses)
    except NoStep as none:
        parts.optimizer.zero_grad()
        if not none.counts:
            position.skipped_batches.add(position.batches_seen)
            return None
        position.step += 1
    parts.followers.tell_step(context)
    for hook in hooks.on_train_batch_end:
        hook(session, system, batch, index)
    return None


def gradient(session: Session, batch: Batch, share: Share, context: StepContext) -> list[Loss]:
    """The gradient of the mean loss over the items of the step, clipped, in `.grad`; returns the losses of its micro-batches made here.

    One of several that gives none by NoStep(counts=True), as None of a LightningModule does, is left out. Raises NoStep where all are.
    """
    parts, batch_number, size = session.parts, session.position.batches_seen, session.position.plan.micro_batch_size
    strategy, parameters, rows = parts.strategy, parts.optimizer.parameters(), share.rows
    whole = rows <= size and not (share.ready and share.size > 1)
    losses: list[Loss] = []
    counts: list[int | Tensor | None] = []  # of pieces, each in as many micro-batches as memory makes of it
    count: int | Tensor | None = None
    left_out = False
    strategy.begin_step()
    pieces = list(in_micro_batches(batch, share, size))
    for piece in pieces:
        loss = None
        context.first, context.rows = piece.first, rows
        if piece.first:
            parts.seeds.step(batch_number, piece.first)
        if piece.counts or strategy.moves_together:
            with strategy.micro_batch(piece is pieces[-1], piece.counts), parts.norms.in_step(piece.counts):
                try:
                    loss = forward_and_backward(session, piece, context, rows, whole)
                except NoStep:
                    if strategy.data_size == 1:
                        raise
                    left_out = True  # told to the others with the gradient, which they wait for
            if loss is None and strategy.moves_together and strategy.data_size > 1:
                raise needs_every_piece(strategy.name)
        if piece.counts and loss is not None:
            losses.append(loss)
            items = rows if has_own_mean(loss, whole) else loss.count
            count = items if count is None else count + items
        if piece.ends:
            strategy.end_piece(parameters)
            counts, count = [*counts, count], None
    items, made, left_out = strategy.reduce(parameters, counts, share.pieces, left_out)
    if left_out or not made:
        raise NoStep(counts=not left_out)
    if isinstance(items, Tensor) or items != rows:
        parts.backward.finish(session.gradients(), rows, items)
    limit_gradient(session)
    return losses


def needs_every_piece(name: str) -> ConfigError:
    """The error of a step without a loss in one process, while the others wait for it in the middle of theirs."""
    why = "each process takes part in the exchanges of every backward pass, and this one has none to make"
    fix = "use ddp or zero, with batch_norm: local"
    return ConfigError(f"training_step gave no loss under strategy '{name}'", where="trainer.strategy", why=why, fix=fix)


def forward_and_backward(session: Session, piece: MicroBatch, context: StepContext, rows: int, whole: bool) -> Loss | None:
    """The loss of a micro-batch, whose gradient is added to what there is; None where it gives none and others of the step may."""
    parts = session.parts
    hooks, system, precision = parts.hooks, parts.system, parts.precision
    with precision.forward():
        session.logs.running_values.in_step = piece.counts
        try:
            value = system.training_step(piece.batch, context)
        except NoStep as none:
            if (whole and parts.strategy.data_size == 1) or not none.counts:
                raise
            return None
        finally:
            session.logs.running_values.in_step = False
        loss = value if type(value) is Loss else as_loss(value, rows_in(piece.batch), system.loss_weights(context))
    for hook in hooks.on_before_backward:
        hook(session, system, loss)
    parts.backward(loss, rows, precision.scale if piece.counts else 0.0, whole)
    for hook in hooks.on_after_backward:
        hook(session, system)
    return loss


def limit_gradient(session: Session) -> None:
    """Take the loss scale out of the whole gradient, let hooks on gradients act, and clip; its norm is measured where it is wanted."""
    parts = session.parts
    if parts.precision.scaler is not None:
        parts.precision.scaler.unscale(session.gradients())
    logged = session.position.batches_seen + 1 >= session.clock.next_boundary
    parts.pruned.mask_gradients()
    parts.gradient_hooks.apply(measure=logged)
    if parts.measures_norm or logged:
        session.logs.gradient_norm = clip_gradients(parts.optimizer.parameters(), parts.config.clip)


def update(session: Session, batch: Batch, share: Share, context: StepContext, losses: list[Loss]) -> None:
    """The optimizer's update from the gradients there are, and what follows it."""
    position, parts = session.position, session.parts
    hooks, system, optimizer = parts.hooks, parts.system, parts.optimizer
    for hook in hooks.on_before_optimizer_step:
        hook(session, system)
    parts.saver.wait_for_snapshot()
    parts.rates.apply(position.step)
    if optimizer.redoes:
        cast(RedoingOptimizer, optimizer).step_with(lambda: again(session, batch, share, context), mean_of_all(session, losses))
    else:
        optimizer.step()
    parts.pruned.hold()
    if parts.averages is not None:
        parts.averages.update(position.step + 1)
    for hook in hooks.on_before_zero_grad:
        hook(session, system)
    optimizer.zero_grad()
    position.step += 1


def again(session: Session, batch: Batch, share: Share, context: StepContext) -> Tensor:
    """The gradient of the same rows with the same randomness at other weights, for optimizers that ask for it; returns the mean loss."""
    parts = session.parts
    parts.optimizer.zero_grad()
    parts.seeds.step(session.position.batches_seen)
    with hold_norm_statistics(parts.system):
        return mean_of_all(session, gradient(session, batch, share, context))


def mean_of_all(session: Session, losses: list[Loss]) -> Tensor:
    """The mean loss of a step over all processes, a scalar on the device: summed in the order of pieces, as one process sums them."""
    world = session.parts.strategy.data_world
    if world.size == 1:
        return mean_of(losses)
    told = world.gather([Loss(loss.total.detach().to("cpu"), on_host(loss.count)) for loss in losses])
    return mean_of([each for round_ in zip_longest(*told) for each in round_ if each is not None]).to(session.device)


def on_host(count: int | Tensor) -> int | Tensor:
    """A number of items, to be sent."""
    return count.detach().to("cpu") if isinstance(count, Tensor) else count
