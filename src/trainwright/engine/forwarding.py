"""Names that were fields of the session, read and set where they are now; each goes once nothing asks the session for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from trainwright.data.rows import Rows
from trainwright.engine.callbacks.base import Hooks
from trainwright.engine.config import TrainerConfig
from trainwright.engine.feed import Feed
from trainwright.engine.growth import Growth
from trainwright.engine.held_state import HeldState
from trainwright.engine.interrupt import Interrupts
from trainwright.engine.interval import Interval
from trainwright.engine.monitor import Best, Monitor
from trainwright.engine.plan import Plan
from trainwright.engine.precision import Precision
from trainwright.engine.randomness import StepSeeds
from trainwright.engine.recovery import Buffers
from trainwright.engine.running import RunningLoss, RunningValues
from trainwright.engine.running_metrics import RunningMetrics
from trainwright.engine.saving.saver import Saver
from trainwright.engine.spikes import SpikeWatch
from trainwright.engine.system import System
from trainwright.engine.timing import Timing
from trainwright.optim.averages import Averages
from trainwright.optim.base import Optimizer
from trainwright.optim.freezing import Freezing
from trainwright.optim.gradient_hooks import GradientHooks
from trainwright.optim.learning_rates import LearningRates
from trainwright.tracking.base import Tracker

T = TypeVar("T")


class Forward(Generic[T]):
    """An attribute of a part of the session."""

    def __init__(self, place: str, name: str) -> None:
        self.place, self.name = place, name

    def __get__(self, session: Any, owner: Any = None) -> T:
        if session is None:
            return self  # type: ignore[return-value]
        found: T = getattr(getattr(session, self.place), self.name)
        return found

    def __set__(self, session: Any, value: T) -> None:
        if self.place == "parts":
            session.parts = replace(session.parts, **{self.name: value})
        else:
            setattr(getattr(session, self.place), self.name, value)


class Forwarding:
    """What the session was."""

    plan = Forward[Plan]("position", "plan")
    step = Forward[int]("position", "step")
    batches_seen = Forward[int]("position", "batches_seen")
    skipped_batches = Forward[set[int]]("position", "skipped_batches")
    skipped = Forward[int]("position", "skipped")
    rollbacks = Forward[int]("position", "rollbacks")
    last_rollback = Forward[tuple[int, int]]("position", "last_rollback")
    boundary_pending = Forward[bool]("position", "boundary_pending")
    epoch_ended_at = Forward[int]("position", "epoch_ended_at")
    evaluated_at = Forward[int]("position", "evaluated_at")
    last_row = Forward[tuple[int, float]]("position", "last_row")
    last_tick = Forward[int]("position", "batches_at_last_row")
    stopped_because = Forward[str]("position", "stopped_because")
    finished = Forward[bool]("position", "finished")
    data_numbers = Forward[dict[str, str]]("position", "data_numbers")
    saved_extent = Forward[list[Any] | None]("position", "saved_extent")
    fork = Forward[bool]("position", "fork")
    epoch = Forward[int]("position", "epoch")
    progress = Forward[float]("position", "progress")

    running_loss = Forward[RunningLoss]("logs", "running_loss")
    running_metrics = Forward[RunningMetrics]("logs", "running_metrics")
    running_values = Forward[RunningValues]("logs", "running_values")
    gradient_norm = Forward[Tensor | None]("logs", "gradient_norm")
    history = Forward[list[dict[str, float]]]("logs", "history")

    log_interval = Forward[Interval]("clock", "log_interval")
    evaluation_interval = Forward[Interval]("clock", "evaluation_interval")
    timing = Forward[Timing]("clock", "timing")
    next_boundary = Forward[int]("clock", "next_boundary")
    next_due_at = Forward[float]("clock", "next_due_at")
    first_step_after = Forward[float | None]("clock", "first_step_after")
    on_first_step = Forward[Callable[[], None] | None]("clock", "on_first_step")

    config = Forward[TrainerConfig]("parts", "config")
    stage = Forward[str]("parts", "stage")
    seed = Forward[int]("parts", "seed")
    device = Forward[torch.device]("parts", "device")
    system = Forward[System]("parts", "system")
    optimizer = Forward[Optimizer]("parts", "optimizer")
    base_learning_rate = Forward[float]("parts", "base_learning_rate")
    rates = Forward[LearningRates]("parts", "rates")
    freezing = Forward[Freezing]("parts", "freezing")
    gradient_hooks = Forward[GradientHooks]("parts", "gradient_hooks")
    averages = Forward[Averages | None]("parts", "averages")
    growth = Forward[Growth | None]("parts", "growth")
    spikes = Forward[SpikeWatch | None]("parts", "spikes")
    train = Forward[Rows]("parts", "train")
    order_device = Forward[torch.device]("parts", "order_device")
    feed = Forward[Feed]("parts", "feed")
    validation = Forward[Rows | None]("parts", "validation")
    evaluation_batch_size = Forward[int]("parts", "evaluation_batch_size")
    monitor = Forward[Monitor]("parts", "monitor")
    best = Forward[Best]("parts", "best")
    hooks = Forward[Hooks]("parts", "hooks")
    trackers = Forward[list[Tracker]]("parts", "trackers")
    saver = Forward[Saver]("parts", "saver")
    interrupts = Forward[Interrupts]("parts", "interrupts")
    seeds = Forward[StepSeeds]("parts", "seeds")
    precision = Forward[Precision]("parts", "precision")
    buffers = Forward[Buffers]("parts", "buffers")
    held_state = Forward[HeldState]("parts", "held_state")
    manual = Forward[bool]("parts", "manual")
    measures_norm = Forward[bool]("parts", "measures_norm")
    continue_with = Forward[str]("parts", "continue_with")
    media_folder = Forward[Path | None]("parts", "media_folder")
