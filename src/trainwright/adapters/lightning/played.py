"""A training step in Lightning's own order, for a module that overrides a part of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from trainwright.adapters.lightning.optimizers import step_schedulers
from trainwright.config.errors import TrainwrightError
from trainwright.engine.dealing import micro_batches
from trainwright.engine.pieces import Pieces
from trainwright.engine.system import Batch, Loss, NoStep, rows_in

if TYPE_CHECKING:
    from trainwright.adapters.lightning.system import LightningSystem


def played_step(system: LightningSystem, batch: Batch) -> Loss:
    """`optimizer_step` round a closure of forward pass, zero_grad and backward pass; then the schedulers of steps.

    All micro-batches but the last go backwards before, as there, each weighted by its rows. Raises NoStep where no step gave a loss.
    """
    *first, last = pieces_of(system, batch)
    counts = [rows_in(each) for each in (*first, last)]
    losses: list[tuple[Tensor, int]] = []
    for place, (piece, count) in enumerate(zip(first, counts, strict=False)):
        mean = system.call_step(system.take_in_batch(piece))
        if place == 0:
            clear_gradients(system)
        if mean is not None:
            losses.append((mean.detach(), count))
            system.backward_of(mean * (count / sum(counts)))
    mean = step_on(system, system.take_in_batch(last), counts[-1] / sum(counts) if first else None)
    losses += [] if mean is None else [(mean.detach(), counts[-1])]
    if not losses:
        raise NoStep(counts=True)
    return Loss(sum((mean * count for mean, count in losses[1:]), losses[0][0] * losses[0][1]), sum(count for _, count in losses))


def pieces_of(system: LightningSystem, batch: Batch) -> list[Batch]:
    """The micro-batches of a step."""
    if isinstance(batch, Pieces):
        return list(batch)
    plan = None if system.session is None else system.session.plan
    return [batch] if plan is None or plan.ready else list(micro_batches(batch, rows_in(batch), plan.micro_batch_size))


def clear_gradients(system: LightningSystem) -> None:
    """The module's `optimizer_zero_grad`, with the hook before it."""
    optimizer = system.steppers()[0].optimizer
    system.call("on_before_zero_grad", optimizer)
    system.model.optimizer_zero_grad(system.now.epoch, system.now.index, optimizer)


def step_on(system: LightningSystem, batch: Batch, share: float | None) -> Tensor | None:
    """The optimizer's step from a batch that was taken in; its mean loss. `share`: of the rows, where others went before."""
    module, stepper, done = system.model, system.steppers()[0], list[Tensor | None]()

    def closure() -> Tensor | None:
        mean = system.call_step(batch)
        if share is None:
            clear_gradients(system)
        if mean is not None:
            system.backward_of(mean if share is None else mean * share)
        done.append(mean)
        return mean

    module.optimizer_step(system.now.epoch, system.now.index, stepper, closure)
    if not done:
        fix = "call optimizer.step(closure=optimizer_closure), or optimizer_closure() itself"
        raise TrainwrightError("optimizer_step did not call its closure", where=type(module).__name__, fix=fix)
    count = system.now.index + 1 if system.session is None else system.session.plan.batches_until(system.now.index)
    step_schedulers(module, system.made.schedulers, "step", count, system.trainer.callback_metrics)
    return done[0]
