"""Learning from new rows as they come: one pass, in their order, a step per batch."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from trainwright.data.rows import Rows
from trainwright.engine.config import TrainerConfig
from trainwright.engine.loop import train_step
from trainwright.engine.plan import make_plan
from trainwright.engine.recovery import NotFinite
from trainwright.engine.session import Session


def one_pass(session: Session, rows: Rows, config: TrainerConfig) -> dict[str, float]:
    """A step per batch of `rows`, in their order; returns the mean loss. Raises NotFinite when it is none."""
    position, logs = session.position, session.logs
    plan = make_plan(config.model_copy(update={"max_epochs": 1, "max_steps": None}), len(rows), ranks=session.parts.strategy.data_size)
    position.plan = replace(plan, first_tick=position.batches_seen, first_epoch=position.epoch)
    session.clock.next_boundary = position.batches_seen + plan.steps_per_epoch + 1
    session.parts = parts = replace(session.parts, train=rows, followers=session.parts.followers.reading(rows))
    logs.running_loss.reset()
    parts.system.train()
    for index in range(plan.steps_per_epoch):
        start, end = plan.bounds(index)
        if parts.agreement is not None:
            parts.agreement.exchange(session)
        if parts.followers.data.ids:
            parts.followers.data.update_step(session.context())
        indices = parts.dealer.select(position.plan, torch.arange(start, end))
        batch = parts.for_step(rows.take(indices), position.epoch, position.batches_seen)
        train_step(session, batch, index, rows=end - start)
        position.batches_seen += 1
        logs.running_metrics.reset()
        if parts.interrupts.requested or position.stopped_because:
            break
    means = logs.running_loss.means()
    if not math.isfinite(means["loss"]) and config.recovery.not_finite != "ignore":
        fix = "lower trainer.optimizer.learning_rate, or leave out rows with infinite values"
        raise NotFinite(f"the loss of these rows is {means['loss']}", where=f"step {position.step}", fix=fix)
    return means
