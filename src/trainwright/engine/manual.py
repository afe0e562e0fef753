"""A step that the system makes by itself: several optimizers, each stepped when the system says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainwright.config.errors import ConfigError
from trainwright.engine.callbacks.base import Callback
from trainwright.engine.dealing import Share, own_rows
from trainwright.engine.plan import largest_dealt
from trainwright.engine.step_result import as_loss
from trainwright.engine.system import Batch, Loss, StepContext, System, rows_in

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from trainwright.engine.config import TrainerConfig
    from trainwright.engine.plan import Plan
    from trainwright.engine.session import Session


def manual_step(session: Session, batch: Batch, share: Share, context: StepContext) -> None:
    """One call of `training_step`, in which the system goes backwards and steps its optimizers; counts as one step.

    Of several processes each is given its rows; gradients are summed, each by its part of the rows, before an optimizer steps.
    """
    session.parts.saver.wait_for_snapshot()
    session.parts.rates.apply(session.step)
    context.first, context.rows = share.first, share.rows
    if share.size > 1:
        batch, session.parts.strategy.weight = own_rows(batch, share)
        if share.first:
            session.parts.seeds.step(session.batches_seen, share.first)
    session.logs.running_values.in_step = share.real > 0
    try:
        with session.parts.precision.forward(), session.parts.norms.in_step(share.real > 0):
            value = session.system.training_step(batch, context)
    finally:
        session.logs.running_values.in_step = False
    if value is not None and share.real:
        loss = as_loss(value, rows_in(batch), session.parts.system.loss_weights(context))
        session.logs.running_loss.add(Loss(loss.total.detach(), loss.count, loss.parts), session.batches_seen)
        session.logs.running_metrics.add(loss.outputs)
    session.parts.pruned.hold()
    if session.parts.averages is not None:
        session.parts.averages.update(session.step + 1)
    session.position.step += 1


class SchedulerSteps(Callback):
    """Steps the schedulers that the system made with its optimizers; with manual optimization the system does that itself."""

    every_rank = True

    after_the_system = ("on_train_epoch_end",)

    def on_train_batch_end(self, session: Session, system: System, batch: Batch, index: int) -> None:
        for scheduler in schedulers(session):
            if scheduler.due("step", session.plan.batches_until(index) if scheduler.within_epoch else session.step):
                scheduler.step(latest(session) if scheduler.monitor is not None else {})

    def on_train_epoch_end(self, session: Session, system: System) -> None:
        for scheduler in schedulers(session):
            if scheduler.due("epoch", session.epoch):
                scheduler.step(latest(session) if scheduler.monitor is not None else {})


def schedulers(session: Session) -> Sequence[Any]:
    """The schedulers that came with the system's own optimizers."""
    return [] if session.parts.manual else session.optimizer.schedulers


def latest(session: Session) -> Mapping[str, float]:
    """The newest value of every logged number, those of the validation split under their bare name too; and what the system says of it.

    A row of a step has that step's share of a number that is logged by epoch too; of that the system knows the value of the epoch.
    """
    found: dict[str, float] = {}
    for row in session.history[-2:]:
        found |= row | {name.removeprefix("validation/"): value for name, value in row.items() if name.startswith("validation/")}
    return found | {name: float(value) for name, value in session.parts.system.values_for_schedulers().items()}


def check_manual(config: TrainerConfig, plan: Plan, follows: Collection[str] = ()) -> None:
    """Raise ConfigError for settings that a system with manual optimization cannot follow, but for those that it says it follows."""
    wrong = {
        "trainer.micro_batch_size": plan.micro_batch_size < (largest_dealt(plan) if plan.dealt else plan.batch_size),
        "trainer.precision": config.precision.type == "fp16",
        "trainer.clip": config.clip.any,
        "trainer.gradient_hooks": bool(config.gradient_hooks),
        "trainer.batch_growth": config.batch_growth is not None,
        "trainer.recovery.not_finite": config.recovery.not_finite == "skip",
    }
    found = next((where for where, asked in wrong.items() if asked and where.removeprefix("trainer.") not in follows), None)
    if found is not None:
        why = "with automatic_optimization = False the system goes backwards and steps by itself"
        fix = "leave it out, and do it in training_step (self.clip_gradients, several backward passes)"
        raise ConfigError(f"{found.removeprefix('trainer.')} cannot be used with manual optimization", where=found, why=why, fix=fix)
