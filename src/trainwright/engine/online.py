"""Learning from new rows as they come: one pass, in their order, a step per batch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from trainwright.data.rows import Rows
from trainwright.engine.config import TrainerConfig
from trainwright.engine.loop import train_step
from trainwright.engine.plan import make_plan
from trainwright.engine.recovery import NotFinite
from trainwright.engine.session import Session
from trainwright.engine.state import position_document, take_position


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
        batch = parts.for_step(rows.take(indices), position.plan, position.batches_seen)
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


def online_state(session: Session) -> dict[str, Any]:
    """What another process needs to go on where this session is, beside the weights: on the CPU, and without what averages weights."""
    parts, scaler = session.parts, session.parts.precision.scaler
    return {
        "optimizer": {name: each.detach().cpu() for name, each in parts.optimizer.tensors().items()},
        "numbers": parts.optimizer.numbers(),
        "position": position_document(session.position),
        "schedule": parts.rates.state(),
        "scaler": None if scaler is None else scaler.state(),
    }


def take_online_state(session: Session, state: Mapping[str, Any]) -> None:
    """Put a new session where `online_state` was asked. Raises RunError for the state of another model or optimizer."""
    parts = session.parts
    parts.optimizer.load(state["optimizer"], state["numbers"])
    parts.rates.load(state["schedule"])
    take_position(session.position, state["position"])
    parts.rates.apply(max(session.position.step - 1, 0))
    if parts.precision.scaler is not None and state["scaler"]:
        parts.precision.scaler.load(state["scaler"])
