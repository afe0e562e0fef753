"""What a run does when a step cannot be made as it is: memory ran out, float16 overflowed, a number is not finite."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trainwright.config.errors import TrainwrightError
from trainwright.engine.dealing import Share
from trainwright.engine.saving.resuming import resume
from trainwright.engine.single_rows import is_of_single_row, single_row_refusal, sizes_without_single_rows
from trainwright.engine.system import Batch, Loss, StepContext, System

if TYPE_CHECKING:
    from trainwright.engine.position import Position
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")

NO_MEMORY = re.compile(
    r"allocate memory|not enough memory|bad[ _]alloc|out[ _]of[ _](?:device[ _]|host[ _])?memory|outofmemory|ErrorMemoryAllocation"
    r"|ALLOC_?FAILED|ALLOCATION_FAILED|STATUS_INSUFFICIENT_RESOURCES|(?:unable|failed) to allocate"
    r"|insufficient memory|status_memory_error|ERR_(?:DEVICE|HOST)_ALLOC|Invalid buffer size"
    r"|NOT_INITIALIZED when calling .cublasCreate|Unable to find a valid cuDNN algorithm",
    re.IGNORECASE,
)
"""How the host, CUDA, cuBLAS, cuDNN, cuSPARSE, cuSOLVER, cuFFT, MAGMA, NCCL, HIP, SYCL and MPS say that memory ran out; nothing that leaves
the device unusable, such as an illegal access, is among it."""
TRUSTED = 2
"""Times gone back because of batches since one row before the update that led to it is suspected too."""

Gradient = Callable[["Session", Batch, Share, StepContext], list[Loss]]


class NotFinite(TrainwrightError):
    """The loss or a gradient became NaN or infinite. Exit code 1."""


class Rollback(Exception):
    """The session was put back to its last checkpoint; the loop begins again from there."""


def settle_gradient(session: Session, gradient: Gradient, batch: Batch, share: Share, context: StepContext) -> list[Loss] | None:
    """The gradient of the step, made again in smaller pieces when memory ran out and at a smaller scale when it overflowed; its losses.

    None when it is not finite and the policy is to skip such a batch. A redone step has the randomness and the buffers of the first.
    """
    parts = session.parts
    precision, buffers = parts.precision, parts.buffers
    while True:
        # A step that is made again must not see that it was tried: gradients, buffers (running means) and random numbers start over, so
        # that a run which met a full memory or an overflow gives the numbers of one that was given the smaller size or scale at once.
        before = buffers.copy()
        try:
            losses = gradient(session, batch, share, context)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error) or parts.config.recovery.out_of_memory == "stop":
                raise
            if parts.strategy.moves_together and parts.world.size > 1:
                raise not_together(session, error) from error
            smaller(session, max(end - start for start, end in share.places), error)
        except ValueError as error:
            if not is_of_single_row(error):
                raise
            where, plan = f"step {session.position.step + 1}", session.position.plan
            raise single_row_refusal(session.system, where, sizes_without_single_rows(plan)) from error
        else:
            # One process that overflowed makes all of them redo: their gradients are summed, and a process alone would wait for ever.
            if precision.scaler is None or not parts.world.any(precision.overflowed):
                if precision.scaler is not None:
                    precision.scaler.count_step()
                if record_losses(session, losses):
                    return losses
                undo_step(session, before)
                return None
            if not precision.scaler.halve_scale():
                skip_batch(session, "the gradient is not finite at the smallest loss scale")
                undo_step(session, before)
                return None
            log.debug("step %d: float16 overflowed; made again at scale %g", session.position.step, precision.scale)
        parts.optimizer.zero_grad()
        buffers.restore(before)
        parts.seeds.step(session.position.batches_seen)


def undo_step(session: Session, before: list[Tensor]) -> None:
    """A batch that is skipped leaves no trace in gradients and buffers."""
    session.parts.optimizer.zero_grad()
    session.parts.buffers.restore(before)


def record_losses(session: Session, losses: list[Loss]) -> bool:
    """Take in the losses of a gradient that is whole; with the policy `skip` only if all of it is finite, which the host waits for."""
    skips = session.parts.config.recovery.not_finite == "skip"
    if skips and session.parts.world.any(not all_finite(session, losses)):
        skip_batch(session, "the loss or the gradient is not finite")
        return False
    logs, batches_seen = session.logs, session.position.batches_seen
    for loss in losses:
        logs.running_loss.add(loss, batches_seen)
        logs.running_metrics.add(loss.outputs)
    return True


def all_finite(session: Session, losses: list[Loss]) -> bool:
    """Whether losses and gradient norm are finite; one wait for the device."""
    values = [loss.total.detach() for loss in losses] + ([] if session.logs.gradient_norm is None else [session.logs.gradient_norm])
    if not values:  # of several processes one without rows in this step
        return True
    return bool(torch.isfinite(torch.stack([value.to(values[0]) for value in values])).all())


def skip_batch(session: Session, why: str) -> None:
    """Count and name a batch that makes no step; raises NotFinite when the policy is another, TrainwrightError after too many."""
    position, recovery = session.position, session.parts.config.recovery
    if recovery.not_finite != "skip":
        raise NotFinite(f"{why} at step {position.step}", fix="set trainer.precision: bf16 or fp32, or trainer.recovery.not_finite: skip")
    position.skipped_batches.add(position.batches_seen)
    position.skipped += 1
    log.warning("step %d: %s; batch %d left out (%d so far)", position.step, why, position.batches_seen, position.skipped)
    if position.skipped > recovery.limit:
        what, where = f"more than {recovery.limit} batches were left out", f"step {position.step}"
        raise TrainwrightError(what, where=where, why=why, fix="leave such rows out, or raise trainer.recovery.limit")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on the device or the host, in the words of torch or of a library below it."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and NO_MEMORY.search(str(error)) is not None


def smaller(session: Session, rows: int, error: BaseException) -> None:
    """Halve the micro-batch for the rest of the run; raises TrainwrightError when a single row does not fit."""
    plan, tried = session.plan, min(session.plan.micro_batch_size, rows)  # the last batch of an epoch may have fewer rows than a piece
    if tried == 1:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        fix = "use a smaller model, trainer.precision: bf16, or trainer.modes.activation_checkpointing"
        raise TrainwrightError("memory runs out with a single row", where=f"step {session.step}", why=why, fix=fix) from error
    session.position.plan = replace(plan, micro_batch_size=-(-tried // 2))
    session.parts.events.tell("out_of_memory", session.step, session.rank, rows=tried, micro_batch_size=session.plan.micro_batch_size)
    if session.parts.agreement is not None:  # the other processes hear of it a batch later
        session.parts.agreement.fitting = session.plan.micro_batch_size
    if session.device.type == "cuda":
        torch.cuda.empty_cache()  # what the failed attempt left there is in pieces that the smaller ones may not fit into
    log.warning(
        "memory ran out with %d rows at once (step %d); from here in pieces of %d, the same step again",
        tried,
        session.step,
        session.plan.micro_batch_size,
    )


def not_together(session: Session, error: BaseException) -> TrainwrightError:
    """The error of memory that ran out in the middle of exchanges, which this process cannot begin anew without the others."""
    why = f"{str(error).splitlines()[0] if str(error) else type(error).__name__}; forward and backward passes hold exchanges with others"
    fix = f"set trainer.micro_batch_size: {max(session.plan.micro_batch_size // 2, 1)}, and continue with: {session.parts.continue_with}"
    return TrainwrightError(f"memory ran out on rank {session.rank}", where=f"step {session.step + 1}", why=why, fix=fix)


def check_now(session: Session, weights: bool = True) -> None:
    """Raise NotFinite or Rollback when the loss since the last row or a weight is not finite: such weights are never saved."""
    losses = session.logs.running_loss
    if session.position.step > session.position.last_row[0] and losses.has_steps():
        judge(session, losses.means()["loss"])
    # A loss tells of the weights before its step. What the last step did to them shows in the next loss, after they would be saved.
    judged = weights and session.parts.config.recovery.not_finite != "ignore"
    if judged and session.parts.world.any(not bool(weights_finite(session))):
        judge(session, float("nan"))


def judge(session: Session, mean: float) -> None:
    """Judge the mean training loss since the last row: raises NotFinite or Rollback, or stays silent. Called before anything is saved."""
    policy = session.config.recovery.not_finite
    if math.isfinite(mean) or policy == "ignore":
        return
    found = first_not_finite(session)
    # Where no batch had a loss that is not finite, it was an update that went wrong: the last one made.
    used = (batch_number for batch_number in range(session.batches_seen - 1, -1, -1) if batch_number not in session.skipped_batches)
    batch_number = next(used, 0) if found is None else found
    if policy == "rollback":
        roll_back(session, [batch_number], f"the loss is {mean}")
    at, since, rate = session.step, session.position.last_row[0], session.optimizer.learning_rate
    finding = session.parts.explain_not_finite(session, batch_number)
    raise NotFinite(
        f"the loss is {mean} at step {at}",
        why=f"it became so in steps {since + 1} to {at}, with learning rate {rate:.3g}; nothing was saved since{finding}",
        fix="lower trainer.optimizer.learning_rate, set trainer.clip.norm: 1.0, or leave rows with infinite values out",
    )


def first_not_finite(session: Session) -> int | None:
    """The number of the first batch since the last row whose loss was not finite, in any of the processes; None when no single one was."""
    found = session.logs.running_loss.first_not_finite()
    first = session.parts.world.min(math.inf if found is None else float(found))
    return None if math.isinf(first) else int(first)


def weights_finite(session: Session) -> Tensor:
    """Whether all trained weights are finite, as a scalar on the device."""
    # A norm is not finite where one element is not, and costs one launch for all tensors rather than one for each.
    norms = torch._foreach_norm([each.detach() for each in session.optimizer.parameters()])
    return torch.isfinite(torch.stack([norm.to(norms[0].device, torch.float32) for norm in norms])).all()


def find_last_used(position: Position, before: int) -> list[int]:
    """The last batch before number `before` that made a step, if there is one."""
    return [number for number in range(before - 1, -1, -1) if number not in position.skipped_batches][:1]


def roll_back(session: Session, batch_numbers: list[int], why: str) -> None:
    """Put the session where its losses were good and leave out the batches at fault; raises Rollback, or NotFinite when it was too often.

    That is the newest checkpoint no younger than the last logged row: a later one may hold the fault already, which shows only in the
    losses after it. When no further row comes of that, again and again, the updates just before that row are suspected one by one.
    """
    position, logs, limit = session.position, session.logs, session.parts.config.recovery.limit
    session.parts.events.tell("rollback", position.step, why=why, batches=batch_numbers)
    at, row, seconds = position.step, position.last_row[0], session.clock.timing.read()
    before = position.last_rollback[1] if position.last_rollback[0] == row else 0
    suspects = max(before + 1 - TRUSTED, 0)
    earlier = find_last_used(position, position.batches_at_last_row) if suspects else []
    # A batch that is only suspected is left out with those at fault: to see which of the two it was would take another time back.
    new, times = {*batch_numbers, *earlier} - position.skipped_batches, position.rollbacks + 1
    skipped = position.skipped_batches | new  # kept here: the checkpoint's own position, which `resume` puts back, does not know them
    if times > limit:
        raise NotFinite(f"{why} at step {at}, after going back {limit} times", fix="see trainer.recovery, or the data")
    if not resume(session, until=row - suspects):
        raise NotFinite(f"{why} at step {at}", why="there is no checkpoint to go back to")
    session.clock.timing.load(seconds)  # the time was spent
    # Rows after the checkpoint are of a run that did not happen: trackers forget them, or the same steps would stand there twice.
    for tracker in session.parts.trackers:
        logs.history = tracker.begin(position.step) or logs.history
    logs.history = [each for each in logs.history if each["step"] <= position.step]
    position.skipped_batches, position.rollbacks, position.last_rollback = skipped, times, (row, before + 1)
    session.clock.next_boundary = 0
    log.warning("%s at step %d: back to step %d, batch %s left out", why, at, position.step, ", ".join(map(str, sorted(new))))
    session.plan_next_boundary()
    raise Rollback


class Buffers:
    """The buffers that a forward pass may change, so that a step can be redone from where it began."""

    def __init__(self, system: System, needed: bool) -> None:
        self._tensors = list(system.buffers()) if needed else []

    def copy(self) -> list[Tensor]:
        """Copies of them; none where a step is never redone or there are no buffers."""
        return [each.clone() for each in self._tensors]

    @torch.no_grad()
    def restore(self, kept: list[Tensor]) -> None:
        """Put the copies back."""
        for tensor, before in zip(self._tensors, kept, strict=True):
            tensor.copy_(before)
