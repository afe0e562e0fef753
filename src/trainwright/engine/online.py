"""Learning from new rows as they come: one pass, in their order, a step per batch."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from trainwright.data.rows import Rows
from trainwright.engine.config import TrainerConfig
from trainwright.engine.following import DataFollowers
from trainwright.engine.loop import train_step
from trainwright.engine.plan import make_plan
from trainwright.engine.recovery import NotFinite
from trainwright.engine.session import Session


def one_pass(session: Session, rows: Rows, config: TrainerConfig) -> dict[str, float]:
    """A step per batch of `rows`, in their order; returns the mean loss. Raises NotFinite when it is none."""
    plan = make_plan(config.model_copy(update={"max_epochs": 1, "max_steps": None}), len(rows))
    session.plan = replace(plan, first_tick=session.batches_seen, first_epoch=session.epoch)
    session.train, session.next_boundary = rows, session.batches_seen + plan.steps_per_epoch + 1
    session.data_followers = DataFollowers(rows)
    session.running_loss.reset()
    session.system.train()
    for index in range(plan.steps_per_epoch):
        start, end = plan.bounds(index)
        session.before_batch()
        batch = session.placed(rows.take(torch.arange(start, end)))
        train_step(session, batch, index, rows=end - start)
        session.batches_seen += 1
        session.running_metrics.reset()
        if session.interrupts.requested or session.stopped_because:
            break
    means = session.running_loss.means()
    if not math.isfinite(means["loss"]) and config.recovery.not_finite != "ignore":
        fix = "lower trainer.optimizer.learning_rate, or look for infinite values in the rows"
        raise NotFinite(f"the loss of these rows is {means['loss']}", where=f"step {session.step}", fix=fix)
    return means
