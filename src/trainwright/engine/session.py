"""Everything of one fit while it runs: what the loop reads top to bottom, and what callbacks see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from trainwright.data.rows import Rows
from trainwright.engine.callbacks.base import Hooks
from trainwright.engine.cadence import Cadence
from trainwright.engine.config import TrainerConfig
from trainwright.engine.interrupt import Interrupts
from trainwright.engine.monitor import Best, Monitor
from trainwright.engine.plan import Plan
from trainwright.engine.randomness import StepSeeds
from trainwright.engine.running import RunningLoss, RunningOutputs
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
    interrupts: Interrupts
    log_cadence: Cadence
    evaluate_cadence: Cadence
    seeds: StepSeeds
    timing: Timing
    running_loss: RunningLoss
    running_outputs: RunningOutputs
    save: Callable[[Session], None]
    """Writes a checkpoint; called at step boundaries, decides itself whether one is due."""
    step: int = 0
    next_boundary: int = 0
    """The first step after which there is something to do beside training."""
    boundary_pending: bool = False
    """An evaluation at this step was cut short by a signal and must be done first when the run continues."""
    stopped_because: str = ""
    gradient_norm: Tensor | None = None
    """Global 2-norm before clipping, of the last step that measured it."""
    last_row: tuple[int, float] = (0, 0.0)
    """Step and seconds of training at the last logged row."""
    first_step_at: float | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    """Every logged row."""

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
        """End the run at the next step boundary, as if it were done; `reason` is kept in the results."""
        self.stopped_because = self.stopped_because or reason

    def gradients(self) -> list[Tensor]:
        """The gradients there are now."""
        return gradients(self.optimizer.parameters())

    def plan_next_boundary(self) -> None:
        """Set `next_boundary`: log, evaluation, end of the epoch or of the run, whichever is first."""
        step = self.step
        candidates = [self.log_cadence.next_step(step), self.evaluate_cadence.next_step(step), (self.epoch + 1) * self.plan.steps_per_epoch]
        if self.plan.max_steps is not None:
            candidates.append(self.plan.max_steps)
        if self.plan.max_seconds is not None:
            candidates.append(step + 1)
        self.next_boundary = min(candidates)

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
