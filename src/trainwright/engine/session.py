"""Everything of one fit while it runs: what the loop works with, and what callbacks see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from trainwright.data.rows import Rows
from trainwright.engine.cadence import Cadence
from trainwright.engine.callbacks.base import Hooks
from trainwright.engine.config import TrainerConfig
from trainwright.engine.interrupt import Interrupts
from trainwright.engine.monitor import Best, Monitor
from trainwright.engine.plan import Plan
from trainwright.engine.randomness import StepSeeds
from trainwright.engine.running import RunningLoss, RunningOutputs
from trainwright.engine.saving import Saver
from trainwright.engine.step import Backward
from trainwright.engine.system import Moment, System
from trainwright.engine.timing import Timing
from trainwright.optim.base import Optimizer
from trainwright.optim.clipping import gradients
from trainwright.optim.schedules.base import Schedule
from trainwright.tracking.base import Tracker


@dataclass
class Session:
    """The parts of a run and its position. The position is `step` alone: epoch, order of rows and randomness follow from it."""

    config: TrainerConfig
    plan: Plan
    seed: int
    device: torch.device
    system: System
    optimizer: Optimizer
    schedule: Schedule
    train: Rows
    validation: Rows | None
    monitor: Monitor
    best: Best
    hooks: Hooks
    trackers: list[Tracker]
    saver: Saver
    interrupts: Interrupts
    log_cadence: Cadence
    evaluate_cadence: Cadence
    seeds: StepSeeds
    continue_with: str
    """The command that continues this run, for a person to copy."""
    running_loss: RunningLoss
    running_outputs: RunningOutputs
    timing: Timing = field(default_factory=Timing)
    backward: Backward = field(default_factory=Backward)
    step: int = 0
    """Optimizer updates made."""
    next_boundary: int = 0
    """The first step after which there is something to do beside training."""
    boundary_pending: bool = False
    """An evaluation at this step was cut short by a signal and must be done first when the run continues."""
    evaluated_at: int = -1
    """The step of the last evaluation."""
    stopped_because: str = ""
    """What ended the run; empty while it goes on."""
    gradient_norm: Tensor | None = None
    """Global 2-norm before clipping of the last step that measured it, on the device."""
    last_row: tuple[int, float] = (0, 0.0)
    """Step and seconds of training at the last logged row."""
    first_step_at: float | None = None
    """Seconds since the epoch when the first step of this process began."""
    on_first_step: Callable[[], None] | None = None
    """Called when the first step of this process begins."""
    history: list[dict[str, float]] = field(default_factory=list)
    """Every logged row."""

    def __post_init__(self) -> None:
        self.order_device: torch.device = getattr(self.train, "device", torch.device("cpu"))
        self.update_step: Callable[[Moment], None] | None = getattr(self.system, "update_step", None)
        self.clips = self.config.clip.norm is not None or self.config.clip.value is not None

    @property
    def epoch(self) -> int:
        """Passes over the training rows already finished."""
        return self.step // self.plan.steps_per_epoch

    @property
    def fraction(self) -> float:
        """Share of the run already done; 0 while its length is not known."""
        return self.step / self.plan.max_steps if self.plan.max_steps else 0.0

    def moment(self) -> Moment:
        """Where the run is, with the generator seeded for this step."""
        self.seeds.step(self.step)
        return Moment(self.step, self.epoch, self.fraction, self.seeds.generator)

    def stop(self, reason: str) -> None:
        """End the run at the next step boundary, saved as one that is done; `reason` is kept in the results."""
        self.stopped_because = self.stopped_because or reason
        self.next_boundary = self.step

    def gradients(self) -> list[Tensor]:
        """The gradients there are now."""
        return gradients(self.optimizer.parameters())

    def plan_next_boundary(self) -> None:
        """Set `next_boundary`: log, evaluation, checkpoint, end of the epoch or of the run, whichever is first."""
        step, plan = self.step, self.plan
        candidates = [self.log_cadence.next_step(step), self.evaluate_cadence.next_step(step), (self.epoch + 1) * plan.steps_per_epoch]
        limits = [self.saver.next_step(step), plan.max_steps, None if plan.max_seconds is None else step + 1]
        self.next_boundary = min([*candidates, *(each for each in limits if each is not None)])

    def limit_reached(self) -> str:
        """What ends the run by its length: `max_epochs`, `max_steps`, `max_time`, or nothing."""
        if self.plan.max_steps is not None and self.step >= self.plan.max_steps:
            return self.plan.limit
        if self.plan.max_seconds is not None and self.elapsed() >= self.plan.max_seconds:
            return "max_time"
        return ""

    def elapsed(self) -> float:
        """Seconds of this run so far, over all its processes."""
        return sum(self.timing.read().values())

    def rows_between(self, before: int, after: int) -> int:
        """Training rows seen from step `before` to step `after`."""
        per_epoch, plan = self.plan.steps_per_epoch, self.plan
        seen = [step // per_epoch * plan.rows + min(step % per_epoch * plan.batch_size, plan.rows) for step in (before, after)]
        return seen[1] - seen[0]
